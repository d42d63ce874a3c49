"""Machines that only pretend, as folders: what happened to one is seen by every process, dead bakes' successors too.

A machine runs while its folder holds a file `on`. A wipe that has begun there goes on by itself, as the real one does:
after a while it closes the ways in, and then powers the machine off.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from amiforge.bake.login import Login
from amiforge.bake.run import Means
from amiforge.ec2.key_pair import KeyPair
from amiforge.engine.apply import Report
from amiforge.engine.events import Listener
from amiforge.errors import AuthRefused, CheckFailed, ConnectionLost, Unreachable
from amiforge.host.base import Host, OnOutput, Output
from amiforge.recipes.recipe import Recipe
from amiforge.sandbox.faults import Harm
from amiforge.settings import EngineSettings
from amiforge.systems.system import System

#: Seconds of a wipe until the ways in are closed, and until the machine is off.
CLOSED, OFF = 0.06, 0.12


@dataclass(frozen=True)
class PretendMachine:
    """A machine, for the endpoint and for whoever logs in to it."""

    folder: Path
    layers: Path

    @property
    def alive(self) -> bool:
        if self.wiping > OFF:
            self.kill()
        return (self.folder / "on").exists()

    @property
    def wiping(self) -> float:
        """For how many seconds it has been wiped; 0 while nobody wipes it."""
        with suppress(FileNotFoundError):
            return time.time() - (self.folder / "wiping").stat().st_mtime
        return 0

    def start(self) -> None:
        (self.folder / "on").touch()

    def stop(self, timeout: float) -> None:
        self.kill()

    def reboot(self) -> None:
        """Be back at once, by another boot."""
        with (self.folder / "boots").open("a") as boots:
            boots.write("b")

    @property
    def boot(self) -> str:
        """What tells its boots from one another."""
        with suppress(FileNotFoundError):
            return (self.folder / "boots").read_text()
        return "first"

    def kill(self) -> None:
        """Be off. What was wiped by then stays so."""
        if self.wiping > CLOSED:
            (self.folder / "sealed").touch()
        (self.folder / "on").unlink(missing_ok=True)

    def answers(self) -> bool:
        return self.alive

    def suffer(self, harm: Harm) -> AbstractContextManager[None]:
        raise NotImplementedError("nothing happens to what only pretends")

    def console(self) -> str:
        return ""

    @property
    def identity(self) -> str:
        return (self.folder / "identity").read_text()

    def freeze(self, image_id: str) -> None:
        """Keep what is on it: what was not wiped has its identity, and hands it on to every instance."""
        layer = self.layers / image_id
        layer.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "sealed").exists():
            (layer / "identity").write_text(self.identity)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class PretendMachines:
    """Where they come from: `machines/<address>` and `layers/<image id>` below one folder."""

    folder: Path

    def at(self, address: str) -> PretendMachine:
        return PretendMachine(self.folder / "machines" / address, self.folder / "layers")

    def create(
        self, instance_id: str, layers: tuple[str, ...], *, address: str, user_data: bytes, public_keys: tuple[str, ...]
    ) -> PretendMachine:
        machine = self.at(address)
        machine.folder.mkdir(parents=True)
        inherited = [path for name in layers if (path := machine.layers / name / "identity").exists()]
        (machine.folder / "identity").write_text(inherited[0].read_text() if inherited else instance_id)
        (machine.folder / "key").write_text(public_keys[0] if public_keys else "")
        return machine

    def discard(self, image_id: str) -> None:
        shutil.rmtree(self.folder / "layers" / image_id, ignore_errors=True)

    def means(self, *, bad: bool = False) -> Means:
        """Give what a bake needs, all of it here; a `bad` recipe's checks find something wrong."""
        return Means(
            connect=lambda login: PretendHost(self.at(login.address), login),
            provision=_provision,
            verify=lambda host, *_: _verify(host, bad=bad),
        )


class PretendHost:
    """A way into a machine, as a `Host`."""

    def __init__(self, machine: PretendMachine, login: Login) -> None:
        self._machine = machine
        self._key = KeyPair.of(login.key, "").blob
        self._connected = False
        self.address = login.address

    def connect(self) -> None:
        if not self._machine.alive:
            raise Unreachable(f"{self.address} does not answer")
        if self._machine.wiping > CLOSED or self._key not in (self._machine.folder / "key").read_text():
            raise AuthRefused(f"{self.address} refused the key")
        self._connected = True

    def close(self) -> None:
        self._connected = False

    def run(self, script: str, *, timeout: float | None = None, on_output: OnOutput | None = None) -> Output:
        time.sleep(0.001)
        if not self._connected or not self._machine.alive:
            self._connected = False
            raise ConnectionLost(f"the connection to {self.address} was lost")
        output = self._answer(script)
        if on_output and output.stdout:
            on_output(output.stdout)
        return output

    @contextmanager
    def hold(self, script: str) -> Iterator[bytes]:
        yield b""

    def _answer(self, script: str) -> Output:  # noqa: PLR0911 - a script, an answer
        name = self._machine.identity
        if "cloud-init status --wait" in script:
            machine_id = hashlib.sha256(name.encode()).hexdigest()[:32]
            identity = (f"boot\t{self._machine.boot}", f"machine\t{machine_id}", f"host-key\tAAA{name}")
            return Output(0, "\n".join(("cloud-init\t0", "system\trunning", *identity, "end\t\n")).encode())
        if "systemctl reboot" in script:
            self._machine.reboot()
        if script.endswith("uname -r\n"):
            return Output(0, f"{self._machine.boot}\n6.12.1\n".encode())
        if "say running" in script:
            return Output(0, f"hostname\t{name}\t\nunit\tsshd.service\tenabled\nend\t\t\n".encode())
        if "grep -laF -e" in script or ("open_areas" in script and "amiforge-seal." not in script):
            return Output(0, b"end\t\n")
        if "dpkg-query -W" in script:
            rows = b"kernel\t6.12.1\nos\tamzn\t2023\tAmazon Linux 2023\ndeb\tjq\t1.7-1\tamd64\tjq\nend\t\n"
            return Output(0, rows)
        if "amiforge-seal." in script:
            (self._machine.folder / "wiping").touch(exist_ok=True)
            return Output(0)
        if "job status" in script:
            return self._follow()
        return Output(0)

    def _follow(self) -> Output:
        """Follow the wipe until it is proven, which is a moment before the machine is off."""
        while 0 < self._machine.wiping < CLOSED:
            time.sleep(0.005)
        if not self._machine.wiping:
            return Output(1, b"", b"job gone\n")
        return Output(0, b"gone\tlogs\t/var/log/messages\nproven\t1\n", b"job status 0\n")


def _provision(host: Host, _recipe: Recipe, _engine: EngineSettings, _listener: Listener, _run: str) -> Report:
    for _ in range(5):
        host.run("tasks")
    return Report(System(os=None), (), 0.0)  # type: ignore[arg-type]


def _verify(host: Host, *, bad: bool) -> None:
    for _ in range(5):
        host.run("checks")
    if bad:
        raise CheckFailed("a check found something wrong")
