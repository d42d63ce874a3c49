"""The kinds of things a host can be asked to have: one module a kind, all of them named here."""

from __future__ import annotations

from amiforge.resources.archive import Archive
from amiforge.resources.artifact import Artifact
from amiforge.resources.block import Block
from amiforge.resources.command import Run, RunAlways
from amiforge.resources.directory import Directory
from amiforge.resources.file import File
from amiforge.resources.git_checkout import GitCheckout
from amiforge.resources.json_keys import JsonKeys
from amiforge.resources.kernel_headers import OnlyKernelHeaders
from amiforge.resources.kernel_module import KernelModule
from amiforge.resources.package_hold import PackageHold
from amiforge.resources.packages import Packages, Updates
from amiforge.resources.reboot import RebootIfNeeded
from amiforge.resources.repository import Repository
from amiforge.resources.service import Service
from amiforge.resources.signature import Signature
from amiforge.resources.symlink import Symlink
from amiforge.resources.sysctl import Sysctl
from amiforge.resources.sysctl_file import SysctlFile
from amiforge.resources.user import Group, User
from amiforge.resources.vendor_install import VendorInstall

__all__ = [
    "Archive",
    "Artifact",
    "Block",
    "Directory",
    "File",
    "GitCheckout",
    "Group",
    "JsonKeys",
    "KernelModule",
    "OnlyKernelHeaders",
    "PackageHold",
    "Packages",
    "RebootIfNeeded",
    "Repository",
    "Run",
    "RunAlways",
    "Service",
    "Signature",
    "Symlink",
    "Sysctl",
    "SysctlFile",
    "Updates",
    "User",
    "VendorInstall",
]
