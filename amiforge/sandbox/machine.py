"""Machines: a layered root that boots under systemd-nspawn, watched by a supervisor process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from amiforge.errors import SandboxUnavailable
from amiforge.sandbox import cgroups
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.layers import PRIVATE
from amiforge.sandbox.process import Process, locked

MachineState = Literal["pending", "running", "stopping", "stopped"]

CONSOLE_BYTES = 64 * 1024
_SSHD = "sshd.env"


@dataclass(frozen=True)
class Seed:
    """What an instance is told at its boot. `address` is its own loopback address, such as 127.1.0.7."""

    instance_id: str
    hostname: str
    address: str
    user_data: bytes = b""
    public_keys: tuple[str, ...] = ()

    def files(self) -> dict[str, bytes]:
        """Give what the machine sees below /run/sandbox, none of it part of an image.

        `seed/` is a NoCloud seed of cloud-init; JSON is YAML, too.
        """
        about = {
            "instance-id": self.instance_id,
            "local-hostname": self.hostname,
            "public-keys": list(self.public_keys),
        }
        return {
            "seed/meta-data": json.dumps(about).encode(),
            "seed/user-data": self.user_data,
            _SSHD: _listening(self.address),
        }


class Machine:
    """One machine of the sandbox, running or not. Any process may hold one: all state is on disk."""

    def __init__(self, folder: Folder, instance_id: str) -> None:
        self.folder = folder
        self.instance_id = instance_id
        self.path = folder.machine(instance_id)
        self.pid_file = folder.pid_file(instance_id)

    @classmethod
    def create(cls, folder: Folder, instance_id: str, layers: Sequence[Path], seed: Seed) -> Machine:
        """Make a stopped machine over `layers` (top first). Its directory appears complete or not at all."""
        machine = cls(folder, instance_id)
        new = machine.path.with_name(f".{instance_id}.new")
        shutil.rmtree(new, ignore_errors=True)
        for name in ("upper", "work", "root", "seed/seed"):
            (new / name).mkdir(parents=True)
        # The writable layer's own mode is that of `/` in the machine.
        (new / "upper").chmod(0o755)
        for name, content in seed.files().items():
            (new / "seed" / name).write_bytes(content)
        (new / "seed" / "seed" / "user-data").chmod(0o600)
        facts = {
            "layers": [str(layer.absolute()) for layer in layers],
            "hostname": seed.hostname,
            "address": seed.address,
        }
        (new / "machine.json").write_text(json.dumps(facts, indent=2) + "\n")
        new.rename(machine.path)
        return machine

    @property
    def upper(self) -> Path:
        """The writable layer: what `freeze` makes an image from, once stopped."""
        return self.path / "upper"

    @property
    def layers(self) -> tuple[Path, ...]:
        """The frozen layers below the writable one, top first."""
        return tuple(Path(layer) for layer in self._facts()["layers"])

    @property
    def hostname(self) -> str:
        """The host name it boots with."""
        return str(self._facts()["hostname"])

    @property
    def address(self) -> str:
        """The loopback address its sshd listens on."""
        return str(self._facts()["address"])

    @property
    def state(self) -> MachineState:
        """What the real processes say. `stopped` after a power-off from inside, too."""
        supervisor = self._supervisor()
        if supervisor is None:
            return "stopped"
        word = (self.path / "state").read_text()
        return next((state for state in get_args(MachineState) if state == word), "pending")

    def move_sshd(self, address: str) -> None:
        """Let its sshd listen on another address from its next start on."""
        (self.path / "seed" / _SSHD).write_bytes(_listening(address))

    def note_state(self, state: MachineState) -> None:
        """Note what the machine is doing; for its supervisor, while that runs."""
        new = self.path / ".state.new"
        new.write_text(state)
        new.replace(self.path / "state")

    def start(self) -> None:
        """Boot it; returns when its init starts, long before ssh answers. Nothing if it runs already.

        Raises:
            SandboxUnavailable: it could not be started; carries the supervisor's last words.
        """
        with locked(self.path / ".lock"):
            if not self._supervisor():
                self._copy_resolver()
                self._start()

    def stop(self, timeout: float = 60.0) -> None:
        """Power it off cleanly, and by force after `timeout` seconds. Returns when it is stopped."""
        supervisor = self._supervisor()
        if supervisor and supervisor.signal(signal.SIGTERM):
            supervisor.wait(timeout)
        self.kill()

    def reboot(self) -> None:
        """Ask it to reboot cleanly; returns at once. Nothing if it is stopped."""
        supervisor = self._supervisor()
        if supervisor:
            supervisor.signal(signal.SIGHUP)

    def kill(self) -> None:
        """Cut its power. Returns when no process of it is left."""
        if not self.path.exists():
            return
        with locked(self.path / ".lock"):
            supervisor = self._supervisor()
            if supervisor and supervisor.signal(signal.SIGKILL):
                supervisor.wait(timeout=30)
            self.pid_file.unlink(missing_ok=True)
            cgroups.remove(self.instance_id)

    def console(self) -> str:
        """Give the last 64 KiB that it wrote on its console, over all boots."""
        try:
            with (self.path / "console.log").open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - CONSOLE_BYTES))
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def remove(self) -> None:
        """Kill it and delete its directory."""
        self.kill()
        shutil.rmtree(self.path, ignore_errors=True)

    def _supervisor(self) -> Process | None:
        process = Process.read(self.pid_file)
        return process if process and process.alive else None

    def _start(self) -> None:
        log = self.path / "supervisor.log"
        ready, started = os.pipe()
        module = [sys.executable, "-m", "amiforge.sandbox.supervisor"]
        arguments = [str(self.folder.path), self.instance_id, str(started)]
        try:
            with log.open("w") as output:
                subprocess.run(
                    ["setsid", "--fork", *PRIVATE, *module, *arguments],
                    cwd=Path(__file__).parents[2],  # where the module is found, whatever our caller's paths
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[started],
                    check=True,
                )
        finally:
            os.close(started)
        with os.fdopen(ready, "rb") as told:
            if not told.read(1):
                raise SandboxUnavailable(
                    f"the sandbox cannot boot {self.instance_id}", supervisor=log.read_text()[-2000:]
                )

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.path / "machine.json").read_text())
        return facts

    def _copy_resolver(self) -> None:
        resolver = Path("/etc/resolv.conf")
        if resolver.exists():
            shutil.copyfile(resolver, self.path / "seed" / "resolv.conf")


def _listening(address: str) -> bytes:
    return f"SSHD_OPTS=-oListenAddress={address}\n".encode()


def cleanup(folder: Folder) -> None:
    """Kill every machine of the sandbox and remove what a killed supervisor could not. Keeps all files."""
    if folder.machines.is_dir():
        for path in sorted(folder.machines.iterdir()):
            if not path.name.startswith("."):
                Machine(folder, path.name).kill()
