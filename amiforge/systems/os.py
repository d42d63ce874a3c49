"""An operating system, as far as it differs from the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from amiforge.systems.kernel import Initramfs, KernelNaming
from amiforge.systems.package_manager import PackageManager


@dataclass(frozen=True, slots=True)
class Os:
    """An operating system we bake.

    Attributes:
        name: what recipes and people call it, `al2023`.
        title: its full name.
        release_id: ID of /etc/os-release; `release_version` is its VERSION_ID.
        codename: suite of its package archives; empty where there are none.
        releases: its repositories are fixed to a release, and updates move from one to another.
        default_user: login user of its images.
        root_device: name of the root volume in its images.
        end_of_life: last day with free security updates.
        packages: its package manager.
        kernel: how it names kernel packages.
        initramfs: its early user space.
        reboot_required: sh text that prints one line for each reason to reboot, and nothing when there is none.
    """

    name: str
    title: str
    release_id: str
    release_version: str
    default_user: str
    root_device: str
    end_of_life: date
    packages: PackageManager
    kernel: KernelNaming
    initramfs: Initramfs
    reboot_required: str
    codename: str = ""
    releases: bool = False
