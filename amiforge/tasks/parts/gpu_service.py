"""Services that an image has for all instance types, and that are skipped at boot where their device is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from amiforge.resources import File

if TYPE_CHECKING:
    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

_HAS_PCI = "/usr/local/libexec/amiforge/has-pci"
_GENERATOR = "/etc/systemd/system-generators/amiforge-devices"


def skipped_without(units: Mapping[str, Literal["gpu", "nvswitch"]], system: System) -> Iterator[Resource]:
    """Give the files that let each service start at boot only where its device is.

    They go before the package with the service: Debian's start a service as soon as it is installed. systemd learned
    to ask a program in version 243; that of Amazon Linux 2 asks for a file, which a generator makes at boot.
    """
    yield File(_HAS_PCI, source="nvidia_driver/has-pci", mode="0755")
    old = system.os.name == "amzn2"
    if old:
        yield File(_GENERATOR, source="nvidia_driver/amzn2/devices-generator", mode="0755")
    folder = "nvidia_driver/amzn2" if old else "nvidia_driver"
    for unit, device in units.items():
        yield File(f"/etc/systemd/system/{unit}.service.d/10-device.conf", source=f"{folder}/{device}.conf")
