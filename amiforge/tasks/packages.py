"""Operating system packages: updates, additions, and a kernel that stays where it is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from amiforge.resources import File, OnlyKernelHeaders, PackageHold, RebootIfNeeded, Service, Updates
from amiforge.resources import Packages as PackageSet
from amiforge.tasks.parts.installed import is_held, is_installed
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

# What says whether updates want a reboot, where it is not part of the package manager.
_REBOOT_TOOLS = {"al2023": ("dnf-utils",), "amzn2": ("yum-utils",)}

# What installs updates unasked: on a builder it takes the package manager's lock, on an instance it moves packages.
_UNATTENDED = ("apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service")
_UNATTENDED_UNITS = {"ubuntu2204": _UNATTENDED, "ubuntu2404": _UNATTENDED}

# Amazon Linux 2 installs security updates when an instance boots for the first time, unless it is told not to.
_UNATTENDED_FILES = {"amzn2": {"/etc/cloud/cloud.cfg.d/60-amiforge-updates.cfg": "repo_upgrade: none\n"}}


class Packages(Task):
    """OS packages brought up to date, some added, and the kernel held.

    The kernel is settled here, before anything is built against it: one update, one reboot into a new kernel where
    there is one, the headers of what then runs and of nothing else, then a hold. Amazon EKS advises against a
    distribution upgrade on top of its images, so security updates are the default.
    """

    update: Literal["security", "all", "none"] = Field("security", description="which updates to install")
    release: str = Field(
        "latest",
        pattern=r"^(latest|2023\.\d+\.\d{8}|)$",
        description="Amazon Linux 2023: the release that updates move to; empty stays at the image's, where almost "
        "nothing is ever updated. Other systems have no releases",
    )
    exclude: tuple[str, ...] = Field((), description="package names or globs that updates leave alone")
    kernel: Literal["update", "keep"] = Field("update", description="keep boots the source image's kernel")
    install: tuple[str, ...] = Field(
        ("jq", "git", "htop", "pciutils", "unzip"), description="packages to install besides"
    )
    kernel_headers: bool = Field(True, description="headers of the running kernel, for modules that are built later")
    only_its_headers: bool = Field(True, description="remove other kernels' headers, for which modules were built too")
    hold_kernel: bool = Field(True, description="keep later updates from moving the kernel under built modules")
    unattended_updates: bool = Field(False, description="leave on what installs updates unasked")
    allow_reboot: bool = Field(True, description="reboot into a newly installed kernel; modules are built for it")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give updates, packages, the reboot that a new kernel takes, its headers, and the hold of it all."""
        if not self.unattended_updates:
            yield from _no_unattended_updates(system.os.name)
        if self.update != "none":
            excluded = (*self.exclude, *(system.os.kernel.held if self.kernel == "keep" else ()))
            release = self.release if system.os.releases else ""
            yield Updates(security=self.update == "security", exclude=excluded, release=release)
        if names := self._names(system):
            yield PackageSet(names)
        if self.allow_reboot:
            yield RebootIfNeeded()
        if self.kernel_headers and system.kernel:
            yield PackageSet(system.os.kernel.packages(system.kernel).build)
        if self.only_its_headers:
            yield OnlyKernelHeaders()
        if self.hold_kernel:
            yield PackageHold(system.os.kernel.held)

    def software(self, system: System) -> Iterator[Software]:
        """Give the packages by name; their versions are those of the day."""
        for name in self._names(system):
            yield Software(name, "", system.os.title, "install")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove the packages, that the running kernel is the one the image boots, its headers, and the hold."""
        for name in self._names(system):
            yield Check(f"package {name} is installed", True, partial(is_installed, host, system, name))
        if not system.default_kernel:
            return
        yield Check("running kernel is the default one", system.default_kernel, lambda: system.kernel)
        if self.kernel_headers:
            headers = f"/lib/modules/{system.default_kernel}/build/Makefile"
            yield Check("headers of the default kernel are here", True, lambda: host.file(headers).exists)
        if self.hold_kernel:
            image = system.os.kernel.packages(system.default_kernel).image.name
            yield Check(f"package {image} is held", True, partial(is_held, host, system, image))

    def _names(self, system: System) -> tuple[str, ...]:
        reboot = _REBOOT_TOOLS.get(system.os.name, ()) if self.allow_reboot else ()
        return tuple(dict.fromkeys((*self.install, *reboot)))


def _no_unattended_updates(os: str) -> Iterator[Resource]:
    for unit in _UNATTENDED_UNITS.get(os, ()):
        yield Service(unit, running=False, enabled=False)
    for path, text in _UNATTENDED_FILES.get(os, {}).items():
        yield File(path, text)
