"""Machines that really boot, for the API."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

from amiforge.sandbox.api.records import Device, ImageRecord
from amiforge.sandbox.faults import Harm
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.harms import Patient
from amiforge.sandbox.layers import freeze
from amiforge.sandbox.machine import Machine, Seed
from amiforge.sandbox.sources import SourceImage

#: Makes layers that are not there yet.
Make = Callable[[Sequence[Path]], None]


class BootedMachine:
    """A machine of the sandbox as the API sees it."""

    def __init__(self, machine: Machine, make: Make) -> None:
        self._machine = machine
        self._make = make
        self._patient = Patient(machine)

    @property
    def alive(self) -> bool:
        """Whether its system runs, starts or ends."""
        return self._machine.state != "stopped"

    def start(self) -> None:
        """Boot it, once the layers it stands on are made."""
        self._make(self._machine.layers)
        self._machine.start()

    def stop(self, timeout: float) -> None:
        """Power it off."""
        self._machine.stop(timeout)

    def reboot(self) -> None:
        """Ask it to reboot."""
        self._machine.reboot()

    def kill(self) -> None:
        """Cut its power."""
        self._machine.kill()

    def answers(self) -> bool:
        """Whether its sshd takes connections."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            return self.alive and probe.connect_ex((self._patient.address, 22)) == 0

    def suffer(self, harm: Harm) -> AbstractContextManager[None]:
        """Let a harm happen."""
        return self._patient.suffer(harm)

    def console(self) -> str:
        """Give what it printed."""
        return self._machine.console()

    def freeze(self, image_id: str) -> None:
        """Copy its writable layer into an image's."""
        freeze(self._machine.upper, self._machine.folder.layer(image_id))

    def remove(self) -> None:
        """Delete it."""
        self._patient.close()
        self._machine.remove()


class BootedMachines:
    """The machines of one sandbox folder; `make` makes layers of source images that are not there yet."""

    def __init__(self, folder: Folder, make: Make) -> None:
        self._folder = folder
        self._make = make

    def create(
        self, instance_id: str, layers: tuple[str, ...], *, address: str, user_data: bytes, public_keys: tuple[str, ...]
    ) -> BootedMachine:
        """Make a machine that is off."""
        hostname = f"ip-{address.replace('.', '-')}"
        seed = Seed(instance_id, hostname, address, user_data, public_keys)
        paths = [layer_path(self._folder, name) for name in layers]
        return BootedMachine(Machine.create(self._folder, instance_id, paths, seed), self._make)

    def discard(self, image_id: str) -> None:
        """Delete an image's directory."""
        shutil.rmtree(self._folder.image(image_id), ignore_errors=True)


def layer_path(folder: Folder, name: str) -> Path:
    """Give where a layer lies: an image's by its id, any other by its path below the folder."""
    return folder.layer(name) if name.startswith("ami-") else folder.path / name


def layer_name(folder: Folder, path: Path) -> str:
    """Give the name of a layer; `layer_path` leads back."""
    owner = path.parent.name
    return owner if folder.layer(owner) == path else str(path.relative_to(folder.path))


def source_record(folder: Folder, source: SourceImage) -> ImageRecord:
    """Give a source image as a record; its snapshot has the image's own number."""
    snapshot_id = source.ami_id.replace("ami-", "snap-")
    data = source.data
    return ImageRecord(
        id=source.ami_id,
        name=data.name,
        created=datetime.fromisoformat(data.creation_date),
        layers=tuple(layer_name(folder, path) for path in source.layers),
        devices=(Device(source.root_device, snapshot_id, size=data.size, iops=3000, throughput=125),),
        description=data.description,
        architecture=data.architecture,
        root_device=source.root_device,
        owner_id=data.owner_id,
        owner_alias=data.owner_alias,
        public=True,
    )
