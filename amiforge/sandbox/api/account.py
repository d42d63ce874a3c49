"""What the regions of the sandbox's one account share: machines, images on disk, addresses, faults, the lock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Protocol

from amiforge.sandbox.api.faults import Faults
from amiforge.sandbox.api.lag import News
from amiforge.sandbox.api.life import Life
from amiforge.sandbox.api.parameter_records import ParameterRecords
from amiforge.sandbox.api.records import ImageRecord, ImageRecords

if TYPE_CHECKING:
    from amiforge.sandbox.api.image import SandboxImage
    from amiforge.sandbox.api.machines import Machines

#: The account every request belongs to, whatever its credentials.
ACCOUNT_ID = "123456789012"


class Addresses(Protocol):
    """Loopback addresses for machines."""

    def take(self) -> str:
        """Give an address nobody else uses."""

    def give_back(self, address: str) -> None:
        """Say that an address is free again."""


@dataclass(eq=False)
class Account:
    """The account. `sources` are the images it did not make itself, visible in every region.

    `parameters` are its own in SSM.
    """

    machines: Machines
    records: ImageRecords
    addresses: Addresses
    sources: tuple[ImageRecord, ...] = ()
    parameters: ParameterRecords = field(default_factory=ParameterRecords)
    faults: Faults = field(default_factory=Faults)
    lock: RLock = field(default_factory=RLock)
    lives: dict[str, Life] = field(default_factory=dict)
    images: dict[str, SandboxImage] = field(default_factory=dict)
    news: News = field(init=False)

    def __post_init__(self) -> None:
        """Let what is new be unknown as the faults say."""
        self.news = News(self.faults)

    def save(self) -> None:
        """Write down what changed about the account's own images, and delete what nothing needs any more.

        The caller holds the lock.
        """
        for image in tuple(self.images.values()):
            if image.state != "pending":
                self._save(image)
        in_use = {layer for life in self.lives.values() for layer in life.layers}
        in_use |= {layer for image in self.images.values() if image.state == "pending" for layer in image.record.layers}
        in_use |= {name for source in self.sources for name in (source.id, *source.layers)}
        for image_id in self.records.unneeded(in_use):
            self.machines.discard(image_id)

    def _save(self, image: SandboxImage) -> None:
        record = image.current()
        if image.state == "failed" or (record.deregistered and not record.needed_for_snapshots):
            self.records.forget(image.id)
        else:
            self.records.save(record)
        if record.deregistered and not record.needed_for_snapshots:
            del self.images[image.id]

    def forget(self, life: Life) -> None:
        """Drop a terminated instance's machine; the instance itself stays visible. The caller holds the lock."""
        self.lives.pop(life.instance.id, None)
        self.addresses.give_back(life.address)
        self.save()

    def close(self) -> None:
        """Kill and remove all machines."""
        with self.lock:
            lives: Iterable[Life] = tuple(self.lives.values())
            self.lives.clear()
        for life in lives:
            life.end()
