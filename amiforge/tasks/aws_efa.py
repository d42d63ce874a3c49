"""Elastic Fabric Adapter: kernel module, RDMA core, and on request libfabric, Open MPI and the NCCL plugin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from amiforge.resources import Archive, Artifact, VendorInstall
from amiforge.shell import script
from amiforge.tasks.task import Check, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

# sha256 of releases, from aws/aws-parallelcluster-cookbook and awslabs/awsome-distributed-ai.
_KNOWN = {
    "1.34.0": "bd68839e741b0afd3ec2e37d50603803cfa7a279c120f0a736cc57c2ff2d7fdc",
    "1.36.0": "de183f333cfb58aeb7908a67bf9106985ba3ccb7f8638b851d2a0d8dbfacaec4",
    "1.38.0": "4f436954f35ad53754b4d005fd8d0be63de3b4184de41a695b504bdce0fecb22",
    "1.38.1": "83923374afd388b1cfcf4b3a21a2b1ba7cf46a01a587f7b519b8386cb95e4f81",
    "1.50.0": "fa6dff8593d866866c13cb4640d9059835cd4efa427971f100ab40c97bef2841",
}

_WORKSPACE = "/var/cache/amiforge/efa"

# The installer writes its version into the first line of this file, and says "minimal" nowhere: libfabric tells.
_INSTALLED = """
version=$(sed -n '1s/^# EFA installer version: //p' /opt/amazon/efa_installed_packages) || exit
[ -n "$version" ] || exit
if [ -e /opt/amazon/efa/bin/fi_info ]; then echo "$version full"; else echo "$version minimal"; fi
"""

_MODULE_VERSION = "modinfo -k %s -F version efa"


class AwsEfa(Task):
    """EFA from AWS's installer.

    Comes after the NVIDIA driver: the installer builds `efa-nv-peermem` against it. A builder without an EFA device
    is enough; the installer then skips its own ping test. Container hosts need the minimal installation only, since
    containers bring libfabric, Open MPI and the NCCL plugin themselves.
    Source: Amazon EC2 user guide, "Get started with EFA" and the EFA changelog.
    """

    version: str = Field("1.50.0", pattern=r"^1\.\d+\.\d+$", description="installer version")
    minimal: bool = Field(False, description="kernel module and RDMA core only, for hosts of containers")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the installer's run, with its download, where another version or extent is installed."""
        url = f"https://efa-installer.amazonaws.com/aws-efa-installer-{self.version}.tar.gz"
        packed, tree = f"{_WORKSPACE}/{self.version}.tar.gz", f"{_WORKSPACE}/tree"
        yield VendorInstall(
            "EFA installer",
            f"{self.version} {'minimal' if self.minimal else 'full'}",
            observe=_INSTALLED,
            sources=(Artifact(url, packed, sha256=_KNOWN.get(self.version, "")), Archive(packed, tree)),
            install=script(
                'cd -- "$1" && shift && ./efa_installer.sh "$@"',
                f"{tree}/aws-efa-installer",
                "-y",
                *(["--minimal"] if self.minimal else []),
                summary=f"efa_installer.sh -y{' --minimal' if self.minimal else ''}",
            ),
            locks=system.os.packages.locks,
            workspace=_WORKSPACE,
        )

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove the installer's version, a module for the kernel the image boots, and what minimal leaves out."""
        yield Check(
            f"EFA installer {self.version} was here",
            f"# EFA installer version: {self.version}",
            lambda: host.file("/opt/amazon/efa_installed_packages").content_string.splitlines()[0],
        )
        yield Check(
            f"kernel module efa exists for {system.default_kernel}",
            True,
            lambda: bool(host.check_output(_MODULE_VERSION, system.default_kernel)),
        )
        yield Check(
            "libfabric is left out" if self.minimal else "libfabric is here",
            not self.minimal,
            lambda: host.file("/opt/amazon/efa/bin/fi_info").exists,
        )
        yield Check(
            "an EFA device is up",
            True,
            lambda: host.run("ls /dev/infiniband/uverbs0").rc == 0,
            device="1d0f:efa",
        )
