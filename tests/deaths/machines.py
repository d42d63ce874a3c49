"""Machines that only pretend, as folders: what happened to one is seen by every process, dead bakes' successors too."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PretendMachine:
    """A machine of the endpoint: it runs while its folder holds a file `on`."""

    folder: Path
    layers: Path

    @property
    def alive(self) -> bool:
        return (self.folder / "on").exists()

    def start(self) -> None:
        (self.folder / "on").touch()

    def stop(self, timeout: float) -> None:
        self.kill()

    def reboot(self) -> None:
        """Be back at once."""

    def kill(self) -> None:
        (self.folder / "on").unlink(missing_ok=True)

    def console(self) -> str:
        return ""

    def freeze(self, image_id: str) -> None:
        """Keep what is on it; only a machine that was sealed gives a good image."""
        layer = self.layers / image_id
        layer.mkdir(parents=True, exist_ok=True)
        (layer / "sealed").write_text("yes" if (self.folder / "sealed").exists() else "no")

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class PretendMachines:
    """Where they come from: `machines/<address>` and `layers/<image id>` below one folder."""

    folder: Path

    def create(
        self, instance_id: str, layers: tuple[str, ...], *, address: str, user_data: bytes, public_keys: tuple[str, ...]
    ) -> PretendMachine:
        machine = PretendMachine(self.folder / "machines" / address, self.folder / "layers")
        machine.folder.mkdir(parents=True)
        (machine.folder / "id").write_text(instance_id)
        (machine.folder / "key").write_text(public_keys[0] if public_keys else "")
        return machine

    def discard(self, image_id: str) -> None:
        shutil.rmtree(self.folder / "layers" / image_id, ignore_errors=True)
