"""Machines: a layered root that boots under systemd-nspawn, watched by a supervisor process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from amiforge.sandbox.folder import Folder

MachineState = Literal["pending", "running", "stopping", "stopped"]


@dataclass(frozen=True)
class Seed:
    """What an instance is told at its boot. `address` is its own loopback address, such as 127.1.0.7."""

    instance_id: str
    hostname: str
    address: str
    user_data: bytes = b""
    public_keys: tuple[str, ...] = ()


class Machine:
    """One machine of the sandbox, running or not. Any process may hold one: all state is on disk."""

    def __init__(self, folder: Folder, instance_id: str) -> None:
        self.folder = folder
        self.instance_id = instance_id
        self.path = folder.machine(instance_id)

    @classmethod
    def create(cls, folder: Folder, instance_id: str, layers: Sequence[Path], seed: Seed) -> Machine:
        """Make a stopped machine over `layers` (top first). Its directory appears complete or not at all."""
        raise NotImplementedError

    @property
    def upper(self) -> Path:
        """The writable layer: what `freeze` makes an image from, once stopped."""
        return self.path / "upper"

    @property
    def layers(self) -> tuple[Path, ...]:
        """The frozen layers below the writable one, top first."""
        raise NotImplementedError

    @property
    def state(self) -> MachineState:
        """What the real processes say. `stopped` after a power-off from inside, too."""
        raise NotImplementedError

    def start(self) -> None:
        """Boot it; returns when its init runs, long before ssh answers. Nothing if it runs already.

        Raises:
            SandboxUnavailable: it could not be started; carries the supervisor's last words.
        """
        raise NotImplementedError

    def stop(self, timeout: float = 60.0) -> None:
        """Power it off cleanly, and by force after `timeout` seconds. Returns when it is stopped."""
        raise NotImplementedError

    def reboot(self) -> None:
        """Ask it to reboot cleanly; returns at once."""
        raise NotImplementedError

    def kill(self) -> None:
        """Cut its power. Returns when no process of it is left."""
        raise NotImplementedError

    def console(self) -> str:
        """Give the last 64 KiB that it wrote on its console, over all boots."""
        raise NotImplementedError

    def remove(self) -> None:
        """Kill it and delete its directory."""
        raise NotImplementedError


def cleanup(folder: Folder) -> None:
    """Kill every machine of the sandbox and remove what a killed supervisor could not. Keeps all files."""
    raise NotImplementedError(folder)
