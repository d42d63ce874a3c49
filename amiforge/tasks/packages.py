"""Operating system packages: updates, additions, and a kernel that stays where it is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from amiforge.resources import PackageHold, RebootIfNeeded, Updates
from amiforge.resources import Packages as PackageSet
from amiforge.tasks.installed import installed_version
from amiforge.tasks.task import Check, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System


class Packages(Task):
    """OS packages brought up to date, some added, and the kernel held.

    The kernel is settled here, before anything is built against it: updates, a reboot into the new kernel, then a hold.
    Amazon EKS advises against a distribution upgrade on top of its images, so security updates are the default.
    """

    update: Literal["security", "all", "none"] = Field("security", description="which updates to install")
    exclude: tuple[str, ...] = Field((), description="package names or globs that updates leave alone")
    install: tuple[str, ...] = Field(
        ("jq", "git", "htop", "pciutils", "unzip"), description="packages to install besides"
    )
    kernel_headers: bool = Field(True, description="headers of the running kernel, for modules that are built later")
    hold_kernel: bool = Field(True, description="keep later updates from moving the kernel under built modules")
    allow_reboot: bool = Field(True, description="reboot into a newly installed kernel; modules are built for it")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give updates, packages, the reboot that a new kernel takes, its headers, and the hold of it all."""
        if self.update != "none":
            yield Updates(security=self.update == "security", exclude=self.exclude)
        if self.install:
            yield PackageSet(self.install)
        if self.allow_reboot:
            yield RebootIfNeeded()
        if self.kernel_headers and system.kernel:
            yield PackageSet(system.os.kernel.packages(system.kernel).build)
        if self.hold_kernel:
            yield PackageHold(system.os.kernel.held)

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove the packages and that the running kernel is the one the image boots."""
        for name in self.install:
            yield Check(f"package {name} is installed", True, partial(_is_installed, host, system, name))
        if system.default_kernel:
            yield Check("running kernel is the default one", system.default_kernel, lambda: system.kernel)


def _is_installed(host: TestinfraHost, system: System, name: str) -> bool:
    return bool(installed_version(host, system, name))
