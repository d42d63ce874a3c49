"""A real OpenSSH server for a test: its own user, sudo rules and host key, its sessions counted, gone afterwards.

As root it runs in namespaces of its own: accounts and sudoers are laid over the machine's, `/run` is empty, the host
name has no address, and whatever a test leaves running dies with it. Otherwise it serves the user we are, and a small
`sudo` on the session's PATH takes the real one's place.
"""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from amiforge.host.ssh import SshHost
from amiforge.host.ssh_settings import Ssh

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:/usr/bin")
ROOT = os.geteuid() == 0
REAL_SUDO = ROOT and shutil.which("sudo") is not None
USER = "ec2-user" if ROOT else getpass.getuser()
NOPASSWD = f"{USER} ALL=(ALL) NOPASSWD:ALL\n"

_FAKE_SUDO = '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n'


def missing() -> str:
    """Say why no server can be started here; empty when one can."""
    if SSHD is None:
        return "OpenSSH's sshd is not installed (apt-get install openssh-server)"
    return "" if not ROOT or REAL_SUDO else "sudo is not installed (apt-get install sudo)"


@dataclass
class Sshd:
    """One server on 127.0.0.1. A context manager; between `stop` and `start` its files may be changed.

    Attributes:
        path: its own folder, which the user may enter, as pytest's are not; removed with it.
        sudoers: rules of sudo, when we are root.
        shell: login shell of the user.
        bashrc: what the login shell runs first, when it is bash.
        options: more lines of sshd_config.
        os_release: text of /etc/os-release, when we are root; empty for the machine's own.
        boot_id: the kernel's boot id, when we are root; empty for the machine's own. Lasts from `start` to `stop`.
        programs: sh text of programs that come before all others on root's PATH, when we are root.
        setup: sh text that runs before the server in its namespaces, when we are root: mounts that misbehave.
    """

    sudoers: str = NOPASSWD
    shell: str = "/bin/bash"
    bashrc: str = ""
    options: tuple[str, ...] = ()
    os_release: str = ""
    boot_id: str = ""
    programs: Mapping[str, str] = field(default_factory=dict)
    setup: str = ""
    port: int = 0
    path: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="amiforge-sshd-")))
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def key(self) -> Path:
        """The user's private key."""
        return self.path / "key"

    @property
    def host_key(self) -> str:
        """The server's public key."""
        return (self.path / "host_key.pub").read_text().strip()

    def host(self, *, port: int | None = None, **settings: Any) -> SshHost:
        """Give an unconnected host, strict about the server's key; `port` is a forwarder's, if it goes through one."""
        return SshHost(
            "127.0.0.1",
            USER,
            port=port or self.port,
            key=self.key,
            host_key=self.host_key,
            settings=self.ssh(**settings),
        )

    def ssh(self, **settings: Any) -> Ssh:
        """Give settings that read no configuration of this machine's user."""
        return Ssh(**{"config": self.path / "ssh_config", "known_hosts": self.path / "known_hosts", **settings})

    def __enter__(self) -> Self:
        self.path.chmod(0o755)
        for name in ("key", "host_key"):
            if not (self.path / name).exists():
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.path / name)], check=True)
        (self.path / "ssh_config").touch()
        self.port = self.port or free_port()
        self._write_home()
        self._write_config()
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.path)

    def start(self) -> None:
        """Start it; returns when it listens."""
        with (self.path / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stderr=stderr)
        deadline = time.monotonic() + 10
        while not _listens(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"sshd did not start: {(self.path / 'stderr').read_text()}{self.log()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it, with all its sessions and whatever they started."""
        if self._process is None:
            return
        below = _descendants(self._process.pid)
        for pid in (*below, self._process.pid):
            kill(pid)
        self._process.wait()
        self._process = None
        while any(_alive(pid) for pid in below):
            time.sleep(0.01)  # a server that is still dying would answer in the next one's place

    def log(self) -> str:
        """Give all it has logged."""
        path = self.path / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def connections(self) -> int:
        """How many connections were accepted and logged in."""
        return self.log().count("Accepted publickey for ")

    @property
    def sessions(self) -> int:
        """How many commands were started, over all connections."""
        return self.log().count("Starting session: ")

    def session_processes(self) -> list[int]:
        """Give the pids of the server's processes that carry connections: what a dying link takes with it."""
        assert self._process is not None
        return [pid for pid in _descendants(self._process.pid) if f"sshd: {USER}" in _cmdline(pid)]

    def kill_sessions(self) -> None:
        """Cut every connection by killing the processes that carry them; the server goes on."""
        for pid in self.session_processes():
            kill(pid)

    def go_away(self) -> None:
        """Stop listening and cut every connection, as root: what else runs in the server's namespaces goes on."""
        (self.path / "away").touch()
        assert self._process is not None
        for pid in _descendants(self._process.pid):
            if "sshd" in _cmdline(pid).split(" ")[0]:
                kill(pid)

    def come_back(self) -> None:
        """Listen again."""
        (self.path / "away").unlink()

    def reboot(self, seconds: float) -> None:
        """Be gone with all that runs here, and back after some time with another boot id, as root."""
        self.stop()
        time.sleep(seconds)
        self.boot_id = str(uuid.uuid4())
        self.start()

    def entering(self, script: str) -> list[str]:
        """Give the command that runs sh text in the server's namespaces, as root; it dies with them."""
        assert self._process is not None
        first = str(_descendants(self._process.pid)[0])
        return ["nsenter", "-t", first, "-m", "-p", "-u", "sh", "-c", script]

    def inside(self, script: str) -> str:
        """Run sh text in the server's namespaces; gives what it printed."""
        return subprocess.run(self.entering(script), check=True, capture_output=True, text=True).stdout

    def _command(self) -> list[str]:
        sshd = f"{SSHD} -D -f {shlex.quote(str(self.path / 'sshd_config'))} -E {shlex.quote(str(self.path / 'log'))}"
        if not ROOT:
            return ["sh", "-c", f"exec {sshd}"]
        at = shlex.quote(str(self.path))
        binds = "".join(f"mount --bind {at}/{name} {over}\n" for name, over in self._laid_over())
        run = "mount -t tmpfs tmpfs /run\nmkdir /run/sshd\nhostname no-such-host\n"
        forever = f"set +e\nwhile :; do [ -e {at}/away ] || {sshd}; sleep 0.05; done"
        script = f"set -e\n{binds}{run}{self.setup}\n{forever}"
        return ["unshare", "-mpuf", "--mount-proc", "--kill-child", "sh", "-c", script]

    def _laid_over(self) -> Iterator[tuple[str, str]]:
        """Give names in our folder, and what each is mounted on."""
        for name in ("passwd", "shadow", "group", "sudoers", *(["os-release"] if self.os_release else [])):
            yield name, f"/etc/{name}"
        if self.boot_id:
            (self.path / "boot_id").write_text(f"{self.boot_id}\n")
            yield "boot_id", "/proc/sys/kernel/random/boot_id"
        if self.programs:
            (self.path / "programs").mkdir(exist_ok=True)
            for name, text in self.programs.items():
                (self.path / "programs" / name).write_text(f"#!/bin/sh\n{text}\n")
                (self.path / "programs" / name).chmod(0o755)
            yield "programs", "/usr/local/sbin"

    def _write_home(self) -> None:
        home = self.path / "home"
        home.mkdir(exist_ok=True)
        (home / ".bashrc").write_text(self.bashrc)
        shutil.copy(self.path / "key.pub", self.path / "authorized_keys")
        if not ROOT:
            return
        (self.path / "os-release").write_text(self.os_release)
        uid = 61234
        shutil.chown(home, uid, uid)
        account = f"{USER}:x:{uid}:{uid}::{home}:{self.shell}\n"
        for name, line, mode in (
            ("passwd", account, 0o644),
            ("shadow", f"{USER}:*:19000:0:99999:7:::\n", 0o600),
            ("group", f"{USER}:x:{uid}:\n", 0o644),
        ):
            (self.path / name).write_text(Path("/etc", name).read_text() + line)
            (self.path / name).chmod(mode)
        (self.path / "sudoers").write_text(f"root ALL=(ALL:ALL) ALL\n{self.sudoers}")
        (self.path / "sudoers").chmod(0o440)

    def _write_config(self) -> None:
        lines = [
            f"ListenAddress 127.0.0.1:{self.port}",
            f"HostKey {self.path}/host_key",
            f"AuthorizedKeysFile {self.path}/authorized_keys",
            f"PidFile {self.path}/pid",
            "LogLevel DEBUG1",
            "UsePAM no",
            "StrictModes no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            *self.options,
        ]
        if not ROOT:
            fake = self.path / "bin" / "sudo"
            fake.parent.mkdir(exist_ok=True)
            fake.write_text(_FAKE_SUDO)
            fake.chmod(0o755)
            lines.append(f"SetEnv PATH={fake.parent}:/usr/local/bin:/usr/bin:/bin")
        (self.path / "sshd_config").write_text("\n".join(lines) + "\n")


def free_port() -> int:
    """Give a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def kill(pid: int) -> None:
    """Kill a process of ours, if it still runs."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _descendants(pid: int) -> list[int]:
    """Give the processes below one, children after their parents."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            stat = _read(entry / "stat").rpartition(")")[2].split()
            if stat:
                parents.setdefault(int(stat[1]), []).append(int(entry.name))
    found = list(parents.get(pid, ()))
    for child in found:
        found.extend(parents.get(child, ()))
    return found


def _alive(pid: int) -> bool:
    """Tell whether a process still holds its files; one that is being killed loses its command line before them."""
    stat = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return bool(stat) and stat[0] not in "ZX"


def _cmdline(pid: int) -> str:
    return _read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
