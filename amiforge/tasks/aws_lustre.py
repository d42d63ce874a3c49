"""Lustre client, for Amazon FSx."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from amiforge.resources import Block, KernelModule, Packages, Repository, Run
from amiforge.shell import script
from amiforge.tasks.parts.extras import topic
from amiforge.tasks.task import Check, Options, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

_KEYS = "https://fsx-lustre-client-repo-public-keys.s3.amazonaws.com"
_REPOSITORY = "https://fsx-lustre-client-repo.s3.amazonaws.com/ubuntu"

#: Kernels with a Lustre client: first and last build of each line, `None` for no end. Amazon Linux kernels carry the
#: modules themselves from the first build on; for Ubuntu the FSx repository has a package for each kernel.
#: Source: Amazon FSx for Lustre user guide, "Installing the Lustre client".
COVERED: dict[str, dict[str, tuple[tuple[int, ...], tuple[int, ...] | None]]] = {
    "al2023": {"6.1": ((79, 99, 167), None), "6.12": ((0,), None), "6.18": ((0,), None)},
    "amzn2": {"5.10": ((144, 127, 601), None)},
    "ubuntu2204": {
        "5.15": ((0, 1015), (0, 1051)),
        "6.2": ((0,), None),
        "6.5": ((0,), None),
        "6.8": ((0, 1017), None),
    },
    "ubuntu2404": {"6.8": ((0, 1024), (0, 1033)), "6.14": ((0, 1012), (0, 1018)), "6.17": ((0, 1007), None)},
}

# Found is what is installed, or what could be.
_MODULES_FOUND = """
[ "$(dpkg-query -W -f='${db:Status-Status}' -- "$1" 2>/dev/null)" = installed ] ||
  apt-cache show -- "$1" >/dev/null 2>&1
"""
_NO_MODULES = """
printf 'the FSx repository has no %s: boot a kernel that it covers (linux-aws-lts-24.04 follows those), %s\\n' \\
  "$1" 'or wait until it has this one' >&2
exit 1
"""


def covered(os: str, kernel: str) -> bool:
    """Tell whether there is a Lustre client for a kernel (`uname -r`) of an operating system (`ubuntu2404`)."""
    parsed = re.match(r"(\d+\.\d+)\.(\d+(?:[.-]\d+)*)", kernel)
    line = COVERED.get(os, {}).get(parsed[1]) if parsed else None
    if not parsed or not line:
        return False
    build = tuple(int(number) for number in re.split(r"[.-]", parsed[2]))
    first, last = line
    return first <= build and (last is None or build[: len(last)] <= last)


class Mount(Options):
    """A file system of FSx for Lustre and where it goes.

    It is mounted when somebody first looks at it: a boot neither waits for it nor fails without it.
    """

    dns_name: str = Field(pattern=r"^[A-Za-z0-9.-]+$", description="DNS name, fs-….fsx.REGION.amazonaws.com")
    mount_name: str = Field(pattern=r"^[A-Za-z0-9_/-]+$", description="mount name, as FSx says it")
    path: str = Field("/fsx", pattern=r"^(/[!-.0-~]+)+$", description="mount point")
    options: str = Field(
        "defaults,noatime,flock,_netdev,nofail,x-systemd.automount,x-systemd.mount-timeout=90",
        pattern=r"^[!-~]+$",
        description="mount options; without nofail and x-systemd.automount a boot hangs where it cannot be reached",
    )

    def line(self) -> str:
        """Give its line of /etc/fstab."""
        return f"{self.dns_name}@tcp:/{self.mount_name.lstrip('/')} {self.path} lustre {self.options} 0 0\n"


class AwsLustre(Task):
    """Lustre client and kernel modules, for Amazon FSx for Lustre.

    The modules belong to one kernel, so the kernel must be settled before and held.
    Source: Amazon FSx for Lustre user guide, "Installing the Lustre client".
    """

    mounts: tuple[Mount, ...] = Field((), description="file systems to mount on every instance of the image")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the client with modules for the default kernel, LNet loaded at boot, and the mounts."""
        if system.os.packages.name == "apt":
            yield from self._ubuntu(system.default_kernel)
        else:
            if system.os.name == "amzn2":
                yield topic("lustre", system)
            yield Packages(("lustre-client",))
        yield KernelModule("lnet", load_at_boot=True)
        lines = "".join(mount.line() for mount in self.mounts)
        yield Block("/etc/fstab", "lustre", lines) if lines else Block("/etc/fstab", "lustre", present=False)

    def _ubuntu(self, kernel: str) -> Iterator[Resource]:
        yield Repository(
            "fsx-lustre-client", _REPOSITORY, key_url=f"{_KEYS}/fsx-ubuntu-public-key.asc", components="main"
        )
        modules = f"lustre-client-modules-{kernel}" if kernel else "lustre-client-modules-aws"
        yield Run(
            f"find {modules}",
            script(_NO_MODULES, modules, summary=f"apt-cache show {modules}"),
            proof=script(_MODULES_FOUND, modules),
            job=False,
        )
        yield Packages((modules, "lustre-client-utils"))

    def software(self, system: System) -> Iterator[Software]:
        """Give the client."""
        source = _REPOSITORY.removeprefix("https://") if system.os.packages.name == "apt" else "operating system"
        yield Software("Lustre client", "", source)

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove the client, modules made for the kernel that the image boots, and the mounts."""
        kernel = system.default_kernel
        yield Check("mount.lustre is here", True, lambda: host.exists("mount.lustre"))
        yield Check(
            f"kernel module lustre is made for {kernel}",
            kernel,
            lambda: host.check_output("modinfo -k %s -F vermagic lustre", kernel).split(" ")[0],
        )
        for mount in self.mounts:
            yield Check(f"{mount.path} is in /etc/fstab", True, partial(_in_fstab, host, mount.line()))


def _in_fstab(host: TestinfraHost, line: str) -> bool:
    return line in host.file("/etc/fstab").content_string
