"""Every way to a host: jump hosts and proxy commands, good and bad, at real OpenSSH servers."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from amiforge.errors import AuthRefused, ConfigError, ConnectionLost, HostKeyMismatch, Unreachable
from amiforge.host.ssh import SshHost
from amiforge.sandbox.forwarder import Forwarder
from tests.sshd import USER, Sshd, free_port, kill, missing

pytestmark = [
    pytest.mark.sockets,
    pytest.mark.subprocesses,
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

#: Carries its standard input and output to a port of this machine.
PIPE = """
import os, socket, sys, threading
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def up():
    while data := os.read(0, 65536): s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536): os.write(1, data)
"""


@pytest.fixture
def sshd() -> Iterator[Sshd]:
    with Sshd() as server:
        yield server


@pytest.fixture
def jump(sshd: Sshd) -> Iterator[Sshd]:
    """Give a second server, known to the first one's host and opened by a key of its own."""
    with Sshd() as server:
        knows(sshd, server)
        yield server


@pytest.fixture
def pipe(tmp_path: Path) -> str:
    (tmp_path / "pipe.py").write_text(PIPE)
    return f"{sys.executable} {tmp_path}/pipe.py"


def knows(sshd: Sshd, other: Sshd) -> None:
    with (sshd.path / "known_hosts").open("a") as file:
        file.write(f"[127.0.0.1]:{other.port} {other.host_key}\n")


def configured(sshd: Sshd, text: str) -> None:
    (sshd.path / "ssh_config").write_text(text)


def at(server: Sshd) -> str:
    return f"{USER}@127.0.0.1:{server.port}"


def test_jump_host_with_a_key_of_its_own(sshd: Sshd, jump: Sshd) -> None:
    with closing(sshd.host(jump=at(jump), jump_key=jump.key)) as host:
        host.connect()
        assert host.run("echo through").stdout == b"through\n"
    assert (jump.connections, sshd.connections) == (1, 1)


def test_several_jump_hosts_are_visited_in_their_order(sshd: Sshd) -> None:
    inner = Sshd(options=(f"PermitOpen 127.0.0.1:{sshd.port}",))
    with inner, Sshd(options=(f"PermitOpen 127.0.0.1:{inner.port}",)) as outer:
        for server in (inner, outer):
            knows(sshd, server)
            (server.path / "authorized_keys").write_text((sshd.path / "key.pub").read_text())
        with closing(sshd.host(jump=f"{at(outer)},{at(inner)}", jump_key=sshd.key)) as host:
            host.connect()
            assert host.run("echo through").stdout == b"through\n"
        with pytest.raises(Unreachable) as refused:
            sshd.host(jump=f"{at(inner)},{at(outer)}", jump_key=sshd.key).connect()
        assert refused.value.lines["through"] == f"127.0.0.1 port {inner.port}"
        assert "AllowTcpForwarding" in refused.value.lines["fix"]


def test_unknown_jump_host_is_refused_though_the_host_is_pinned(sshd: Sshd) -> None:
    with Sshd() as stranger:
        with pytest.raises(HostKeyMismatch, match=rf"\[127.0.0.1\]:{stranger.port} is not known"):
            sshd.host(jump=at(stranger), jump_key=stranger.key).connect()
        assert stranger.connections == 0


def test_pinned_host_key_holds_behind_a_jump_host(sshd: Sshd, jump: Sshd) -> None:
    host = SshHost(
        "127.0.0.1",
        USER,
        port=sshd.port,
        key=sshd.key,
        host_key=jump.host_key,
        settings=sshd.ssh(jump=at(jump), jump_key=jump.key),
    )
    with pytest.raises(HostKeyMismatch) as refused:
        host.connect()
    assert refused.value.lines["through"] == f"127.0.0.1 port {jump.port}"


def test_pinned_host_key_holds_behind_a_proxy_command(sshd: Sshd, jump: Sshd, pipe: str) -> None:
    with pytest.raises(HostKeyMismatch):
        sshd.host(proxy=f"{pipe} {jump.port}").connect()
    assert jump.connections == 0


def test_jump_host_that_refuses_the_key_is_named(sshd: Sshd, jump: Sshd) -> None:
    with pytest.raises(AuthRefused, match=f"127.0.0.1 port {jump.port} does not let {USER} in"):
        sshd.host(jump=at(jump), jump_key=sshd.key).connect()


def test_jump_key_that_is_none_is_refused_before_anything_connects(sshd: Sshd) -> None:
    with pytest.raises(ConfigError, match="cannot read /nonexistent/key"):
        sshd.host(jump="bastion", jump_key="/nonexistent/key")


def test_nobody_behind_the_jump_host_is_unreachable_and_names_both(sshd: Sshd, jump: Sshd) -> None:
    port = free_port()
    with pytest.raises(Unreachable, match=f"127.0.0.1 port {port}") as unreachable:
        sshd.host(port=port, jump=at(jump), jump_key=jump.key).connect()
    assert unreachable.value.lines["through"] == f"127.0.0.1 port {jump.port}"


@pytest.mark.parametrize("through", ["jump", "proxy"])
def test_link_that_dies_on_the_way_is_lost_within_a_second(sshd: Sshd, jump: Sshd, pipe: str, through: str) -> None:
    way = {"jump": at(jump), "jump_key": jump.key} if through == "jump" else {"proxy": f"{pipe} {sshd.port}"}
    with closing(sshd.host(**way)) as host:
        host.connect()
        pid = host._chain._proxy._process.pid if through == "proxy" else 0  # type: ignore[union-attr]
        begun: list[float] = []

        def cut(_data: bytes) -> None:
            begun.append(time.monotonic())
            kill(pid) if pid else jump.kill_sessions()

        with pytest.raises(ConnectionLost) as lost:
            host.run("echo begun; sleep 30", on_output=cut)
        assert time.monotonic() - begun[0] < 1
        if pid:
            assert lost.value.lines["reason"] == "the proxy command was killed by signal 9"


@pytest.mark.parametrize("through", ["jump", "proxy"])
def test_frozen_link_is_noticed_through_whatever_it_goes(sshd: Sshd, jump: Sshd, pipe: str, through: str) -> None:
    with Forwarder("127.0.0.1", jump.port if through == "jump" else sshd.port) as link:
        with (sshd.path / "known_hosts").open("a") as file:
            file.write(f"[127.0.0.1]:{link.port} {jump.host_key}\n")
        jumping = {"jump": f"{USER}@127.0.0.1:{link.port}", "jump_key": jump.key}
        way = jumping if through == "jump" else {"proxy": f"{pipe} {link.port}"}
        with closing(sshd.host(silence=1, **way)) as host:
            host.connect()
            link.freeze()
            started = time.monotonic()
            with pytest.raises(ConnectionLost) as lost:
                host.run("sleep 30; : '" + "x" * 2**22 + "'")
            assert time.monotonic() - started < 4
            assert "has not answered for 1 s" in lost.value.lines["reason"]


def test_proxy_command_carries_floods_whole(sshd: Sshd, pipe: str) -> None:
    with closing(sshd.host(proxy=f"{pipe} {sshd.port}")) as host:
        host.connect()
        size = 2**22
        assert host.run(f"wc -c <<'END'\n{'x' * size}\nEND").stdout == f"{size + 1}\n".encode()
        assert len(host.run(f"head -c {size} /dev/zero").stdout) == size


def test_proxy_command_that_ends_is_unreachable_with_its_status_and_last_words(sshd: Sshd) -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable) as unreachable:
        sshd.host(proxy="sh -c 'echo first; echo TargetNotConnected: i-1 >&2; exit 254'").connect()
    assert time.monotonic() - started < 3
    assert unreachable.value.lines["reason"] == "the proxy command ended with status 254"
    assert unreachable.value.lines["said"] == "TargetNotConnected: i-1"
    assert "exit 254" in unreachable.value.lines["proxy"]


def test_proxy_command_that_does_not_exist_says_so(sshd: Sshd) -> None:
    with pytest.raises(Unreachable) as unreachable:
        sshd.host(proxy="no-such-program %h").connect()
    assert unreachable.value.lines["reason"] == "the proxy command ended with status 127"
    assert "not found" in unreachable.value.lines["said"]


def test_proxy_command_that_hangs_is_unreachable_at_the_deadline_and_gone(sshd: Sshd, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    host = sshd.host(proxy=f"sh -c 'sleep 4321 & echo $! >{pid}; echo waiting >&2; wait'", proxy_timeout=1)
    started = time.monotonic()
    with pytest.raises(Unreachable) as unreachable:
        host.connect()
    assert time.monotonic() - started < 4
    assert unreachable.value.lines["reason"] == "no answer within 1 s"
    assert unreachable.value.lines["said"] == "waiting"
    stat = Path(f"/proc/{pid.read_text().strip()}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_proxy_command_that_is_deaf_to_signals_is_killed(sshd: Sshd, pipe: str) -> None:
    host = sshd.host(proxy=f"sh -c 'trap : TERM; exec 3<&0; {pipe} {sshd.port} <&3 & wait; sleep 4322'")
    host.connect()
    process = host._chain._proxy._process  # type: ignore[union-attr]
    host.close()
    assert process.returncode is not None


def test_connection_through_a_proxy_command_can_be_opened_again(sshd: Sshd, pipe: str) -> None:
    with closing(sshd.host(proxy=f"{pipe} {sshd.port}")) as host:
        host.connect()
        sshd.kill_sessions()
        with pytest.raises(ConnectionLost):
            host.run("sleep 30")
        host.connect()
        assert host.run("echo back").stdout == b"back\n"


def test_proxy_command_knows_the_port_and_user_that_are_really_used(sshd: Sshd, pipe: str, tmp_path: Path) -> None:
    configured(
        sshd, f"Host 127.*\n  User nobody\n  ProxyCommand sh -c 'echo %%h %h %n %r >{tmp_path}/told; {pipe} %p'\n"
    )
    with closing(sshd.host()) as host:
        host.connect()
    assert (tmp_path / "told").read_text() == f"%h 127.0.0.1 127.0.0.1 {USER}\n"


@pytest.mark.parametrize("last", ["ProxyJump none", "ProxyCommand none", ""])
def test_ssh_config_names_the_way_user_and_keys(sshd: Sshd, jump: Sshd, last: str) -> None:
    more = sshd.path / "more"
    more.mkdir()
    (more / "bastion.conf").write_text(
        f"Host bastion\n  HostName 127.0.0.1\n  Port {jump.port}\n  IdentityFile {jump.key}\n  {last}\n"
    )
    configured(
        sshd,
        f"Include {more}/*.conf\n"
        f"Host inside\n  HostName 127.0.0.1\n  Port {sshd.port}\n  IdentityFile {sshd.key}\n"
        f"  HostKeyAlias builder\n  UserKnownHostsFile {sshd.path}/alias {sshd.path}/known_hosts\n"
        f"Host *\n  ProxyJump bastion\n  User {USER}\n  UserKnownHostsFile {sshd.path}/known_hosts\n",
    )
    (sshd.path / "alias").write_text(f"builder {sshd.host_key}\n")
    settings = sshd.ssh(config=sshd.path / "ssh_config").model_copy()
    bare = type(settings)(config=sshd.path / "ssh_config")
    with closing(SshHost("inside", settings=bare)) as host:
        host.connect()
        assert host.run("echo through").stdout == b"through\n"
    assert jump.connections == 1


def test_settings_of_the_way_come_before_the_ssh_config(sshd: Sshd, jump: Sshd, pipe: str) -> None:
    configured(sshd, f"Host *\n  ProxyJump {at(jump)}\n  IdentityFile {jump.key}\n")
    with closing(sshd.host(proxy=f"{pipe} {sshd.port}")) as host:
        host.connect()
    assert jump.connections == 0


def test_what_the_ssh_config_wants_in_vain_is_said_once(sshd: Sshd, caplog: pytest.LogCaptureFixture) -> None:
    configured(sshd, "Host *\n  BindAddress 10.0.0.1\n  AddressFamily any\nMatch tagged x\n  Port 1\n")
    with closing(sshd.host()) as host, caplog.at_level(logging.WARNING):
        host.connect()
        host.close()
        host.connect()
    assert [record.getMessage().partition("followed: ")[2] for record in caplog.records] == [
        f"{sshd.path}/ssh_config: Match tagged x: never matches here, for tagged",
        "bindaddress 10.0.0.1",
    ]


def test_only_the_identities_of_the_ssh_config_are_shown_if_it_says_so(sshd: Sshd, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    configured(sshd, f"Host *\n  IdentitiesOnly yes\n  IdentityFile {tmp_path}/other\n")
    host = SshHost("127.0.0.1", USER, port=sshd.port, host_key=sshd.host_key, settings=sshd.ssh())
    with pytest.raises(AuthRefused):
        host.connect()
    assert sshd.log().count("Failed publickey") + sshd.log().count("Postponed publickey") <= 1
