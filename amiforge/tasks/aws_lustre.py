"""Lustre client, for Amazon FSx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from amiforge.resources import KernelModule, Packages
from amiforge.tasks.task import Check, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System


class AwsLustre(Task):
    """Lustre client and kernel modules, for Amazon FSx for Lustre.

    Amazon Linux 2023 kernels from 6.1.79-99.167 on carry the modules, so the kernel must be settled before and held.
    Source: Amazon FSx for Lustre user guide, "Installing the Lustre client".
    """

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the client's package, and LNet loaded at boot."""
        yield Packages(("lustre-client",))
        yield KernelModule("lnet", load_at_boot=True)

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove the client, and modules made for the kernel that the image boots."""
        yield Check("mount.lustre is here", True, lambda: host.exists("mount.lustre"))
        yield Check(
            f"kernel module lustre is made for {system.default_kernel}",
            system.default_kernel,
            lambda: host.check_output("modinfo -k %s -F vermagic lustre", system.default_kernel).split(" ")[0],
        )
