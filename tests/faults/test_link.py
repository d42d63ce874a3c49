"""What a bad link does to us, at a real OpenSSH server."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from amiforge.errors import (
    AuthRefused,
    CommandTimedOut,
    ConnectionLost,
    HostBusy,
    HostKeyMismatch,
    SudoRefused,
    Unreachable,
)
from amiforge.host.ssh import SshHost
from amiforge.host.wait import wait_for_ssh
from amiforge.sandbox.forwarder import Forwarder
from tests.sshd import REAL_SUDO, USER, Sshd, free_port

real_sudo = pytest.mark.skipif(not REAL_SUDO, reason="sudoers can be replaced only as root, with sudo installed")


def after(seconds: float, action: object) -> threading.Timer:
    timer = threading.Timer(seconds, action)  # type: ignore[arg-type]
    timer.start()
    return timer


def test_script_runs_as_root_with_its_status_and_both_streams(host: SshHost) -> None:
    output = host.run("id -un; echo wrong >&2; exit 3")
    assert (output.status, output.stderr) == (3, b"wrong\n")
    assert output.stdout == b"root\n" if REAL_SUDO else output.stdout


def test_one_connection_and_one_session_a_run_counted_by_the_server(host: SshHost, sshd: Sshd) -> None:
    for _ in range(3):
        host.run(":")
    assert (sshd.connections, sshd.sessions) == (1, 3)
    assert (host.connections, host.sessions) == (1, 3)


def test_nagle_is_off(host: SshHost) -> None:
    transport: Any = host._transport
    assert transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@pytest.mark.fault("connection killed under a quick command")
def test_killed_session_is_a_lost_connection_within_a_second_and_no_status(host: SshHost, sshd: Sshd) -> None:
    pieces: list[bytes] = []
    killed = after(0.5, sshd.kill_sessions)
    started = time.monotonic()
    with pytest.raises(ConnectionLost):
        host.run("echo begun; sleep 30; echo ended", on_output=pieces.append)
    assert time.monotonic() - started < 0.5 + 1
    assert pieces == [b"begun\n"]
    killed.join()


@pytest.mark.fault("connection killed under a quick command")
def test_lost_connection_stays_lost_until_connect(host: SshHost, sshd: Sshd) -> None:
    sshd.kill_sessions()
    time.sleep(0.2)
    for _ in range(2):
        with pytest.raises(ConnectionLost):
            host.run(":")
    assert sshd.connections == 1
    host.connect()
    assert host.run("echo back").stdout == b"back\n"
    assert sshd.connections == 2


@pytest.mark.fault("connection killed under a quick command")
def test_reset_link_is_a_lost_connection(sshd: Sshd, link: Forwarder) -> None:
    host = sshd.host(port=link.port)
    host.connect()
    cut = after(0.3, link.drop)
    with pytest.raises(ConnectionLost):
        host.run("sleep 30")
    cut.join()
    host.close()


@pytest.mark.fault("silent link")
def test_frozen_link_is_noticed_while_a_command_runs(sshd: Sshd, link: Forwarder) -> None:
    host = sshd.host(port=link.port, silence=2)
    host.connect()
    frozen = after(0.3, link.freeze)
    started = time.monotonic()
    with pytest.raises(ConnectionLost) as lost:
        host.run("sleep 30")
    assert time.monotonic() - started < 0.3 + 4
    assert "2 s" in lost.value.lines["reason"]
    frozen.join()
    host.close()


@pytest.mark.fault("silence while a session is opened")
def test_frozen_link_is_noticed_while_a_session_is_opened(sshd: Sshd, link: Forwarder) -> None:
    host = sshd.host(port=link.port, silence=2)
    host.connect()
    link.freeze()
    started = time.monotonic()
    with pytest.raises(ConnectionLost):
        host.run(":")
    assert time.monotonic() - started < 4
    host.close()


@pytest.mark.fault("silent link")
def test_frozen_link_is_noticed_while_a_script_is_sent(sshd: Sshd, link: Forwarder) -> None:
    host = sshd.host(port=link.port, silence=2)
    host.connect()
    frozen = after(0.2, link.freeze)
    started = time.monotonic()
    with pytest.raises(ConnectionLost):
        host.run("sleep 1; : '" + "x" * 64 * 2**20 + "'")
    assert time.monotonic() - started < 0.2 + 5
    frozen.join()
    host.close()


@pytest.mark.fault("slow link")
def test_link_slower_than_its_heartbeats_is_not_dead(sshd: Sshd, link: Forwarder) -> None:
    host = sshd.host(port=link.port, silence=3)
    host.connect()
    link.delay = 1.0
    assert host.run("echo slow; sleep 1").stdout == b"slow\n"
    link.delay = 0
    host.close()


@pytest.mark.fault("slow link")
def test_silent_command_on_a_good_link_outlives_the_silence(sshd: Sshd) -> None:
    host = sshd.host(silence=0.5)
    host.connect()
    assert host.run("sleep 2; echo done").stdout == b"done\n"
    host.close()


def test_command_killed_by_a_signal_has_a_status(host: SshHost) -> None:
    assert host.run("kill -9 $$").status == 137
    assert host.run("kill -TERM $$").status == 143


@pytest.mark.fault("output flood")
def test_flood_on_both_streams_arrives_whole(host: SshHost) -> None:
    size = 5 * 2**20
    output = host.run(f"head -c {size} /dev/zero >&2 & head -c {size} /dev/zero; wait")
    assert (len(output.stdout), len(output.stderr)) == (size, size)


def test_long_script_and_binary_output_are_exact(host: SshHost) -> None:
    text = "".join(f"{number:06d} ä\\'\"$\n" for number in range(60_000))
    output = host.run(f"cat <<'END'\n{text}END\nprintf '\\0\\377'")
    assert output.stdout == text.encode() + b"\0\xff"


def test_script_shows_in_no_process_list(host: SshHost) -> None:
    secret = "hunter2"  # noqa: S105 - of nobody
    assert secret.encode() not in host.run(f": {secret}; cat /proc/[0-9]*/cmdline 2>/dev/null").stdout


def test_command_that_reads_standard_input_finds_it_empty(host: SshHost) -> None:
    assert host.run("cat; echo after").stdout == b"after\n"


def test_daemon_that_keeps_the_pipe_open_keeps_nobody_waiting(host: SshHost) -> None:
    started = time.monotonic()
    assert host.run("sleep 20 & echo started").stdout == b"started\n"
    assert time.monotonic() - started < 5


@pytest.mark.fault("command out of time")
def test_command_out_of_time_is_killed(host: SshHost) -> None:
    with pytest.raises(CommandTimedOut):
        host.run("sleep 4321; echo woke", timeout=0.5)
    listed = host.run("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '").stdout
    assert b"sleep 4321" not in listed


@pytest.mark.fault("noisy login shell")
@pytest.mark.parametrize(
    "bashrc",
    [
        "echo Welcome; echo to >&2; printf 'no newline'\n",
        "yes noise | head -c 300000; yes noise | head -c 300000 >&2\n",
        "umask 077; set -u; cd /nonexistent; export LC_ALL=tr_TR.UTF-8 PATH=/usr/bin\n",
    ],
)
def test_noisy_login_shell_changes_nothing(bashrc: str) -> None:
    with Sshd(bashrc=bashrc) as server:
        host = server.host()
        host.connect()
        output = host.run("echo out; echo err >&2; umask; pwd; exit 4")
        assert (output.status, output.stdout, output.stderr) == (4, b"out\n0022\n/\n", b"err\n")
        host.close()


@pytest.mark.fault("noisy login shell")
def test_login_shell_that_runs_nothing_says_so() -> None:
    with Sshd(bashrc="echo Please login as the user ubuntu; exit 142\n") as server:
        host = server.host()
        host.connect()
        with pytest.raises(AuthRefused) as refused:
            host.run(":")
        assert "Please login" in refused.value.lines["said"]
        host.close()


@pytest.mark.fault("sudo refuses")
@real_sudo
@pytest.mark.parametrize(
    ("sudoers", "says"),
    [
        (f"{USER} ALL=(ALL) ALL\n", "password is required"),
        ("", "password is required"),
        (f"Defaults requiretty\n{USER} ALL=(ALL) NOPASSWD:ALL\n", "tty"),
        (f"{USER} ALL=(ALL) NOPASSWD:/bin/true\n", "password is required"),
    ],
)
def test_sudo_that_refuses_is_told_from_a_failing_command_at_once(sudoers: str, says: str) -> None:
    with Sshd(sudoers=sudoers) as server:
        host = server.host()
        host.connect()
        started = time.monotonic()
        with pytest.raises(SudoRefused) as refused:
            host.run(":")
        assert time.monotonic() - started < 2
        assert says in refused.value.lines["said"]
        host.close()


@pytest.mark.fault("sudo grumbles")
@real_sudo
def test_sudo_that_grumbles_is_no_error(host: SshHost) -> None:
    assert host.run("hostname").stdout == b"no-such-host\n"
    assert host.run(":").stderr == b""


@pytest.mark.fault("host key changed")
def test_changed_host_key_is_refused_with_both_fingerprints(sshd: Sshd) -> None:
    host = sshd.host()
    other = subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(sshd.path / "other")], check=False)
    assert other.returncode == 0
    sshd.stop()
    (sshd.path / "other").replace(sshd.path / "host_key")
    sshd.start()
    with pytest.raises(HostKeyMismatch) as refused:
        host.connect()
    assert refused.value.lines["expected"].startswith("ssh-ed25519 SHA256:")
    assert refused.value.lines["got"].startswith("ssh-ed25519 SHA256:")
    assert refused.value.lines["expected"] != refused.value.lines["got"]


@pytest.mark.fault("host key changed")
def test_unknown_host_is_refused_unless_new_ones_are_welcome(sshd: Sshd) -> None:
    strict = SshHost("127.0.0.1", USER, port=sshd.port, key=sshd.key, settings=sshd.ssh())
    with pytest.raises(HostKeyMismatch, match="not known"):
        strict.connect()
    welcoming = SshHost("127.0.0.1", USER, port=sshd.port, key=sshd.key, settings=sshd.ssh(accept_new=True))
    welcoming.connect()
    welcoming.close()
    strict.connect()
    strict.close()


def test_wrong_key_is_refused_with_a_fix(sshd: Sshd) -> None:
    (sshd.path / "authorized_keys").write_text("")
    with pytest.raises(AuthRefused) as refused:
        sshd.host().connect()
    assert USER in refused.value.message
    assert refused.value.lines["fix"]


@pytest.mark.fault("nobody answers")
def test_nobody_there_is_unreachable_and_names_the_place(sshd: Sshd) -> None:
    port = free_port()
    with pytest.raises(Unreachable, match=f"127.0.0.1 port {port}") as unreachable:
        sshd.host(port=port).connect()
    assert {"reason", "deadline", "fix"} <= set(unreachable.value.lines)


@pytest.mark.fault("nobody answers")
def test_server_that_says_nothing_is_unreachable_within_its_deadline(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(Unreachable):
            sshd.host(port=silent.getsockname()[1], connect_timeout=1, auth_timeout=1).connect()
        assert time.monotonic() - started < 4


def test_booting_machine_is_waited_for(sshd: Sshd) -> None:
    keys = sshd.path / "authorized_keys"
    key = keys.read_text()
    keys.write_text("")
    sshd.stop()
    timers = [after(0.4, sshd.start), after(1.2, lambda: keys.write_text(key))]
    host = sshd.host()
    reasons: list[str] = []
    wait_for_ssh(host, 20, pause=0.1, on_wait=lambda _seconds, reason: reasons.append(reason))
    assert host.run("echo up").stdout == b"up\n"
    assert any("refused" in reason or "connect" in reason for reason in reasons)
    assert any("Authentication" in reason for reason in reasons)
    host.close()
    for timer in timers:
        timer.join()


@pytest.mark.fault("nobody answers")
def test_wait_gives_up_at_its_deadline_with_the_last_reason(sshd: Sshd) -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable) as gave_up:
        wait_for_ssh(sshd.host(port=free_port()), 0.5, pause=0.1)
    assert time.monotonic() - started < 3
    assert "of 0.5 s" in gave_up.value.lines["waited"]


def test_held_script_lives_exactly_as_long_as_it_is_held(host: SshHost) -> None:
    with host.hold("echo one; echo two; echo; cat; rm -f /run/amiforge-held; echo gone >/tmp/$$-never") as printed:
        assert printed == b"one\ntwo\n"
    with host.hold("f=$(mktemp); trap 'echo released >$f' EXIT; echo $f; echo; cat >/dev/null") as printed:
        path = printed.decode().strip()
        assert host.run(f"cat {path}").stdout == b""
    assert host.run(f"cat {path}; rm {path}").stdout == b"released\n"


@pytest.mark.fault("two amiforges on one host")
def test_held_script_that_ends_early_is_a_busy_host(host: SshHost) -> None:
    with pytest.raises(HostBusy) as busy, host.hold("echo somebody else >&2; exit 1"):
        pass
    assert "somebody else" in busy.value.lines["holder"]


@pytest.mark.fault("connection killed under a quick command")
def test_held_script_sees_the_end_when_the_link_dies(host: SshHost, sshd: Sshd) -> None:
    script = "f=$(mktemp); trap 'echo released >$f' EXIT; echo $f; echo; cat >/dev/null"
    with host.hold(script) as printed:
        path = printed.decode().strip()
        sshd.kill_sessions()
        with pytest.raises(ConnectionLost):
            host.run(":")
    host.connect()
    assert host.run(f"sleep 0.3; cat {path}; rm {path}").stdout == b"released\n"


def test_jump_host_of_the_ssh_config_is_used(sshd: Sshd) -> None:
    with Sshd() as jump:
        known = sshd.path / "known_hosts"
        known.write_text(f"[127.0.0.1]:{sshd.port} {sshd.host_key}\n[127.0.0.1]:{jump.port} {jump.host_key}\n")
        (sshd.path / "ssh_config").write_text(
            f"Host inside\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {USER}\n  IdentityFile {sshd.key}\n"
            f"  IdentityFile /nonexistent/key\n  ProxyJump outside\n"
            f"Host outside\n  HostName 127.0.0.1\n  Port {jump.port}\n  User {USER}\n  IdentityFile {jump.key}\n"
        )
        host = SshHost("inside", settings=sshd.ssh(silence=1))
        host.connect()
        assert host.run("sleep 1.5; echo through").stdout == b"through\n"
        assert jump.connections == 1
        jump.kill_sessions()
        with pytest.raises(ConnectionLost):
            host.run(":")
        host.close()


def test_proxy_command_of_the_ssh_config_is_used(sshd: Sshd, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.py"
    pipe.write_text(
        "import os, socket, sys, threading\n"
        "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
        "def up():\n"
        "    while data := os.read(0, 65536): s.sendall(data)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := s.recv(65536): os.write(1, data)\n"
    )
    (sshd.path / "ssh_config").write_text(
        f"Host proxied\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {USER}\n"
        f"  ProxyCommand {sys.executable} {pipe} %p\n"
    )
    host = SshHost("proxied", key=sshd.key, host_key=sshd.host_key, settings=sshd.ssh())
    host.connect()
    assert host.run("echo through").stdout == b"through\n"
    with suppress(ConnectionLost):
        host.close()
