"""Operating systems and architectures that something exists on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from amiforge.systems import SYSTEMS
from amiforge.systems.system import Arch, System

#: Name of an operating system, and an architecture as `uname -m` says it.
Platform = tuple[str, Arch]

_BOTH: tuple[Arch, Arch] = ("x86_64", "aarch64")


def platforms(*names: str, arch: Sequence[Arch] = _BOTH) -> frozenset[Platform]:
    """Give every combination of operating systems, all when none is named, and architectures."""
    return frozenset((name, each) for name in names or [os.name for os in SYSTEMS] for each in arch)


def platform(system: System) -> Platform:
    """Give the platform that a system is."""
    return system.os.name, system.arch


def described(found: Iterable[Platform]) -> str:
    """Give platforms in words: `al2023 (x86_64, aarch64), amzn2 (x86_64)`."""
    names: dict[str, list[str]] = {}
    for name, arch in sorted(found, key=lambda each: (each[0], each[1] != "x86_64")):
        names.setdefault(name, []).append(arch)
    return ", ".join(f"{name} ({', '.join(each)})" for name, each in names.items())


EVERYWHERE = platforms()
