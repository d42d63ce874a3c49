"""Typed facts about a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from amiforge.systems.trust import FIRST_USE, Trust

if TYPE_CHECKING:
    from amiforge.systems.os import Os

Arch = Literal["x86_64", "aarch64"]


def mirrored(url: str, mirror: str) -> str:
    """Give the address at which a mirror has `https://host/path`: `{mirror}/host/path`; without a mirror, its own."""
    return f"{mirror.rstrip('/')}/{url.partition('://')[2]}" if mirror else url


@dataclass(frozen=True, slots=True)
class System:
    """What a host is, read once at the start and again after each reboot.

    Attributes:
        os: the operating system and all that differs with it.
        arch: machine architecture as `uname -m` says it.
        kernel: release of the running kernel; empty when there is no host to ask (a plan without one).
        default_kernel: release of the kernel that the next boot takes; empty as above.
        boot_id: changes with every boot, and with nothing else.
        user: the login user.
        container: a container shares its host's kernel: modules and most sysctls are not here to be changed.
        systemd: systemd is process 1, so services and transient units work.
        pci: vendor:device of every PCI function, lower case, as in `10de:2330`.
        modules: those of `facts.MODULES` that the kernel of the next boot has.
        mirror: where downloads come from instead of their own hosts, `https://mirror.example/path`; empty for none.
        trust: digests of downloads and fingerprints of keys, as amiforge.lock or the sandbox knows them.
    """

    os: Os
    arch: Arch = "x86_64"
    kernel: str = ""
    default_kernel: str = ""
    boot_id: str = ""
    user: str = ""
    container: bool = False
    systemd: bool = True
    pci: frozenset[str] = field(default_factory=frozenset)
    modules: frozenset[str] = field(default_factory=frozenset)
    mirror: str = ""
    trust: Trust = FIRST_USE

    def has_pci(self, device: str) -> bool:
        """Tell whether a PCI device is there, by the start of its `vendor:device` (`10de` NVIDIA, `1d0f:efa` EFA)."""
        return any(name.startswith(device) for name in self.pci)

    def mirrored(self, url: str) -> str:
        """Give the address a download really uses: `https://host/path` becomes `{mirror}/host/path`."""
        return mirrored(url, self.mirror)

    def digest(self, url: str, known: str = "") -> str:
        """Give the sha256 that a download must have: the recorded one, else the known one, else nothing."""
        return self.trust.digest(url, known)

    def fingerprint(self, key_url: str, known: str = "") -> str:
        """Give the fingerprint that a signing key must have, likewise."""
        return self.trust.fingerprint(key_url, known)
