"""How distributions name the packages and the initramfs of a kernel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from amiforge.errors import FactUnreadable
from amiforge.shell import Command, argv
from amiforge.systems.package_manager import PackageVersion


@dataclass(frozen=True, slots=True)
class KernelPackages:
    """The packages of one kernel release.

    Attributes:
        image: the kernel itself.
        build: what is needed to build modules for it.
        modules_extra: modules outside the main package; none where everything is in it.
    """

    image: PackageVersion
    build: tuple[PackageVersion, ...]
    modules_extra: tuple[PackageVersion, ...] = ()


class KernelNaming(Protocol):
    """A distribution's way to name kernel packages."""

    def __hash__(self) -> int:
        """Ways are values: equal ones ask the same questions."""

    @property
    def held(self) -> tuple[str, ...]:
        """Patterns of all packages that belong to the kernel."""

    def packages(self, release: str) -> KernelPackages:
        """Give the packages of the kernel that calls itself `release` (`uname -r`).

        Raises:
            FactUnreadable: no kernel of this distribution calls itself so.
        """

    @property
    def headers_query(self) -> str:
        """Text that prints the installed packages from which modules are built, for all kernels."""

    def other_headers(self, printed: str, kernels: Sequence[str]) -> tuple[str, ...]:
        """Give, as the package manager takes them, those packages that belong to none of these kernel releases."""


@dataclass(frozen=True, slots=True)
class AmazonKernel:
    """Amazon Linux: `kernel-6.1.…`, and `kernel6.12-6.12.…` for lines after the first.

    The release of the running kernel is the package's version: without it, `kernel-headers` brings those of another
    line (amazon-ecs-ami, change 414).

    Attributes:
        first_line: the line whose packages carry no line in their names; empty when none do.
        modules_extra: a separate package holds the rarer modules.
    """

    first_line: str = ""
    modules_extra: bool = False
    held: tuple[str, ...] = ("kernel*",)

    def packages(self, release: str) -> KernelPackages:
        """Read `6.12.40-64.114.amzn2023.x86_64` as a line, a version and an architecture."""
        parsed = re.fullmatch(r"((\d+\.\d+)\.\d+-\S+\.amzn\w+)\.(?:x86_64|aarch64)", release)
        if not parsed:
            raise FactUnreadable(f"{release!r} is no kernel of Amazon Linux", fix="use an Amazon Linux source image")
        version, line = parsed.groups()
        name = "kernel" if not self.first_line or line == self.first_line else f"kernel{line}"
        extra = (PackageVersion(f"{name}-modules-extra", version),) if self.modules_extra else ()
        build = PackageVersion(f"{name}-devel", version), PackageVersion(f"{name}-headers", version)
        return KernelPackages(PackageVersion(name, version), build, extra)

    @property
    def headers_query(self) -> str:
        """Ask rpm; `kernel-headers` is glibc's matter, and there once for all kernels."""
        return r"rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE}.%{ARCH}\n' 'kernel-devel' 'kernel[0-9]*-devel'" + "\n"

    def other_headers(self, printed: str, kernels: Sequence[str]) -> tuple[str, ...]:
        """Read lines of name and release."""
        found = (line.partition(" ") for line in printed.splitlines())
        return tuple(sorted(f"{name}-{release}" for name, _, release in found if release not in kernels))


_UBUNTU_VERSION = r"\d+\.\d+\.\d+-\d+"


@dataclass(frozen=True, slots=True)
class UbuntuKernel:
    """Ubuntu: the release is part of the name, `linux-headers-6.8.0-1024-aws`."""

    held: tuple[str, ...] = ("linux-aws*", "linux-image-*", "linux-headers-*", "linux-modules-*")

    def packages(self, release: str) -> KernelPackages:
        """Read `6.8.0-1024-aws`."""
        if not re.fullmatch(rf"{_UBUNTU_VERSION}-[a-z0-9-]+", release):
            raise FactUnreadable(f"{release!r} is no kernel of Ubuntu", fix="use an Ubuntu source image")
        return KernelPackages(
            PackageVersion(f"linux-image-{release}"),
            (PackageVersion(f"linux-headers-{release}"),),
            (PackageVersion(f"linux-modules-extra-{release}"),),
        )

    @property
    def headers_query(self) -> str:
        """Ask dpkg, also for the part that is common to flavours: `linux-aws-headers-6.8.0-1024`."""
        return "dpkg-query -W -f='${db:Status-Abbrev} ${Package}\\n' 'linux-*headers-[0-9]*' 2>/dev/null || :\n"

    def other_headers(self, printed: str, kernels: Sequence[str]) -> tuple[str, ...]:
        """Read lines of state and name."""
        kept = {match[0] for release in kernels if (match := re.match(_UBUNTU_VERSION, release))}
        names = (line.split()[-1] for line in printed.splitlines() if line[1:2] == "i")
        found = ((name, re.search(rf"headers-({_UBUNTU_VERSION})", name)) for name in names)
        return tuple(sorted(name for name, version in found if version and version[1] not in kept))


@dataclass(frozen=True, slots=True)
class Initramfs:
    """The early user space of a kernel.

    Attributes:
        contents: sh text that prints the paths in the initramfs of the kernel release `"$1"`; nothing when it has none.
    """

    contents: str
    _rebuild: tuple[str, ...]

    def rebuild(self, kernel: str) -> Command:
        """Give the command that makes the initramfs of this kernel release anew."""
        return argv(*self._rebuild, kernel, summary=f"rebuild the initramfs of {kernel}")


DRACUT = Initramfs(
    '[ ! -e "/boot/initramfs-$1.img" ] || lsinitrd --kver "$1" 2>/dev/null\n',
    ("dracut", "--force", "--kver"),
)
INITRAMFS_TOOLS = Initramfs(
    '[ ! -e "/boot/initrd.img-$1" ] || lsinitramfs "/boot/initrd.img-$1"\n',
    ("update-initramfs", "-u", "-k"),
)
