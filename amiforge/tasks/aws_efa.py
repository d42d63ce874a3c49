"""Elastic Fabric Adapter: kernel module, RDMA core, and unless minimal libfabric, Open MPI and the NCCL plugin."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from amiforge.resources import Archive, Artifact, Packages, Run, Signature, Sysctl, VendorInstall
from amiforge.shell import script
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

EFA = "1d0f:efa"

_SITE = "https://efa-installer.amazonaws.com"
_FINGERPRINT = "4E9091BCBB97A96B26B15E59A05480B1DD2D3CCC"
_WORKSPACE = "/var/cache/amiforge/efa"
_RECORD = "/opt/amazon/efa_installed_packages"


class Release(NamedTuple):
    """What is known of a release: the archive's sha256, and versions of kernel module, libfabric and NCCL plugin."""

    sha256: str = ""
    module: str = ""
    libfabric: str = ""
    plugin: str = ""


#: Digests from aws/aws-parallelcluster-cookbook and awslabs/awsome-distributed-ai, versions from the EFA changelog.
RELEASES = {
    "1.34.0": Release("bd68839e741b0afd3ec2e37d50603803cfa7a279c120f0a736cc57c2ff2d7fdc"),
    "1.36.0": Release("de183f333cfb58aeb7908a67bf9106985ba3ccb7f8638b851d2a0d8dbfacaec4"),
    "1.38.0": Release("4f436954f35ad53754b4d005fd8d0be63de3b4184de41a695b504bdce0fecb22"),
    "1.38.1": Release("83923374afd388b1cfcf4b3a21a2b1ba7cf46a01a587f7b519b8386cb95e4f81"),
    "1.49.0": Release("", "3.1.0", "2.4.0amzn5.0", "1.20.0"),
    "1.50.0": Release(
        "fa6dff8593d866866c13cb4640d9059835cd4efa427971f100ab40c97bef2841", "3.3.0", "2.6.0amzn1.0", "1.21.1"
    ),
    "1.51.0": Release("", "3.3.1", "2.7.0amzn2.0", "1.22.0"),
}


# How packages of the installer's record are asked for and go, in the folder of an installer. Those that others need, as
# the NVLink subnet manager needs the RDMA libraries, must not take the others along. dnf and yum go on while something
# is missing, and the installation that follows brings it. apt does nothing then, so there such packages stay, in the
# version that the installer carries.
_RPM = """
is_installed() { rpm -q --quiet -- "$1"; }
remove() { rpm -e --nodeps -- "$@"; }
"""
_DEB = r"""
is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' -- "${1%%_*}" 2>/dev/null)" = installed ]; }
remove() {
  for package do shift; set -- "$@" "${package%%_*}"; done
  dpkg --purge -- "$@" && return
  carried=DEBS/UBUNTU$(. /etc/os-release && printf %s "$VERSION_ID" | tr -d .)/$(uname -m)
  for package do
    shift
    if is_installed "$package"; then set -- "$@" $(find "$carried" -name "${package}_*.deb"); fi
  done
  echo 'what other packages need is put to the version of this installer'
  dpkg -i -- "$@"
}
"""

# Its entry in modules-load.d loads the NVIDIA driver at every boot, which fails where there is none.
_STRAY_PEER = """
stray_peer() { is_installed efa-nv-peermem && ! modinfo -k "$1" nvidia >/dev/null 2>&1; }
"""

# The installer writes its version into the first line of its record; which parts are there, what it left tells. The
# kernel's own module counts for nothing: it has to be that of DKMS, and for the kernel that boots next. `dkms` prints
# `efa/3.3.0, KERNEL, …: installed`, before version 3 `efa, 3.3.0, KERNEL, …: installed`.
_INSTALLED = rf"""{_STRAY_PEER}
version=$(sed -n '1s/^# EFA installer version: //p' {_RECORD}) && [ -n "$version" ] || exit
extent=minimal
if [ -e /opt/amazon/efa/bin/fi_info ]; then
  extent=full
  for mpi in openmpi openmpi5; do [ ! -e "/opt/amazon/$mpi/bin/mpirun" ] || extent="$extent $mpi"; done
fi
module=$(dkms status -m efa -k "$1" | sed -n 's/^efa[/,] *\([0-9.]*\),.*: installed.*/\1/p' | tail -n 1)
case $(modinfo -k "$1" -F version efa) in
"${{module:-none}}"*) ;;
*) extent="$extent, no module for $1" ;;
esac
if stray_peer "$1"; then extent="$extent, efa-nv-peermem without a driver"; fi
echo "$version $extent"
"""

# The installer keeps packages that are newer than its own, and those of parts that it is not asked for.
_INSTALL = rf"""{_STRAY_PEER}
cd -- "$1" && options=$2 kernel=$3 || exit
set --
if [ -e {_RECORD} ]; then
  for package in $(grep -v '^#' {_RECORD}); do
    if is_installed "$package"; then set -- "$@" "$package"; fi
  done
  [ $# -eq 0 ] || remove "$@" || exit
  rm -f {_RECORD}
fi
./efa_installer.sh $options || exit
if stray_peer "$kernel"; then
  remove efa-nv-peermem && sed -i 's/efa-nv-peermem[^ ]* *//' {_RECORD}
fi
"""

_MPI = {"both": "openmpi openmpi5", "openmpi4": "openmpi", "openmpi5": "openmpi5"}


class _Os(NamedTuple):
    """What differs with the operating system: its functions, packages to have and not to have."""

    functions: str
    needed: tuple[str, ...]
    conflicting: tuple[str, ...]


_UBUNTU = _Os(_DEB, ("environment-modules",), ("libopenmpi-dev",))

#: Packages: aws/aws-parallelcluster-cookbook, resources/efa.
_BY_OS = {
    "al2023": _Os(
        _RPM,
        ("environment-modules", "libibverbs-utils", "librdmacm-utils", "rdma-core-devel"),
        ("openmpi", "openmpi-devel"),
    ),
    "amzn2": _Os(
        _RPM,
        ("environment-modules", "libibverbs-utils", "librdmacm-utils"),
        ("openmpi", "openmpi-devel"),
    ),
    "ubuntu2204": _UBUNTU,
    "ubuntu2404": _UBUNTU,
}


class AwsEfa(Task):
    """EFA from AWS's installer.

    Comes after the NVIDIA driver: the installer builds `efa-nv-peermem` against it. A builder without an EFA device
    is enough; the installer then skips its own ping test. Container hosts need the minimal installation only, since
    containers bring libfabric, Open MPI and the NCCL plugin themselves.
    Sources: Amazon EC2 user guide, "Get started with EFA" and the EFA changelog; efa_installer.sh.
    """

    version: str = Field(
        "1.50.0", pattern=r"^1\.\d+\.\d+$", description="installer version; 1.49.0 is the last for Amazon Linux 2"
    )
    minimal: bool = Field(False, description="kernel module and RDMA core only, for hosts of containers")
    mpi: Literal["both", "openmpi4", "openmpi5"] = Field("both", description="which Open MPI a full installation has")
    ptrace: bool = Field(
        True,
        description="Ubuntu, full: processes of a user may read each other's memory, as libfabric does within a host",
    )

    def resources(self, system: System) -> Iterator[Resource]:
        """Give what the installer takes for granted, and its run where another version or extent is installed.

        A module that is missing for the kernel which boots next counts as not installed.
        """
        there = _BY_OS[system.os.name]
        yield from self._uverbs(system)
        if not self.minimal:
            yield Packages(there.conflicting, present=False)
            yield Packages(there.needed)
            if self.ptrace and system.os.packages.name == "apt":
                yield Sysctl("kernel.yama.ptrace_scope", 0)
        yield self._installer(system)

    def _uverbs(self, system: System) -> Iterator[Resource]:
        """Give the kernel module without which the installer stops, where a package of its own may hold it."""
        kernel = system.default_kernel
        extra = system.os.kernel.packages(kernel).modules_extra if kernel else ()
        if extra:
            yield Run(
                f"bring ib_uverbs for {kernel}",
                system.os.packages.install(extra),
                proof=script('modinfo -k "$1" ib_uverbs >/dev/null', kernel),
                locks=system.os.packages.locks,
            )

    def _installer(self, system: System) -> Resource:
        url = f"{_SITE}/aws-efa-installer-{self.version}.tar.gz"
        packed, tree = f"{_WORKSPACE}/{self.version}.tar.gz", f"{_WORKSPACE}/tree"
        known = RELEASES.get(self.version, Release())
        signature = Signature(f"{url}.sig", f"{_SITE}/aws-efa-installer.key", _FINGERPRINT)
        options = "-y"
        options += " --minimal" if self.minimal else "" if self.mpi == "both" else f" --mpi={self.mpi}"
        functions = _BY_OS[system.os.name].functions
        return VendorInstall(
            "EFA installer",
            f"{self.version} {'minimal' if self.minimal else f'full {_MPI[self.mpi]}'}",
            observe=script(functions + _INSTALLED, system.default_kernel),
            sources=(
                Artifact(url, packed, sha256=known.sha256, signature=signature),
                Archive(packed, tree, strip=1, creates="efa_installer.sh"),
            ),
            install=script(
                functions + _INSTALL, tree, options, system.default_kernel, summary=f"efa_installer.sh {options}"
            ),
            locks=system.os.packages.locks,
            workspace=_WORKSPACE,
        )

    def software(self, system: System) -> Iterator[Software]:
        """Give the installer's release and what it brings."""
        known = RELEASES.get(self.version, Release())
        source = _SITE.removeprefix("https://")
        yield Software("EFA installer", self.version, source, option="version")
        yield Software("EFA kernel module", known.module, source, option="version")
        if not self.minimal:
            yield Software("libfabric", known.libfabric, source, option="version")
            yield Software("aws-ofi-nccl", known.plugin, source, option="version")
            yield Software("Open MPI", "", source, option="mpi")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove the release, a module for the kernel the image boots, and the extent; with a device that it answers."""
        kernel = system.default_kernel
        yield Check(
            f"EFA installer {self.version} was here",
            f"# EFA installer version: {self.version}",
            lambda: host.file(_RECORD).content_string.splitlines()[0],
        )
        yield Check(
            f"DKMS has kernel module efa for {kernel}",
            True,
            lambda: "installed" in host.check_output("dkms status -m efa -k %s", kernel),
        )
        yield Check(
            f"kernel module efa is made for {kernel}",
            kernel,
            lambda: host.check_output("modinfo -k %s -F vermagic efa", kernel).split(" ")[0],
        )
        yield Check(
            "efa-nv-peermem is there only with an NVIDIA driver",
            True,
            lambda: (
                not host.file("/etc/modules-load.d/efa_nv_peermem.conf").exists
                or host.run("modinfo -k %s nvidia", kernel).rc == 0
            ),
        )
        yield from self._full_checks(host) if not self.minimal else self._minimal_checks(host)
        yield Check("an EFA device is up", True, lambda: host.run("ls /dev/infiniband/uverbs0").rc == 0, device=EFA)

    def _minimal_checks(self, host: TestinfraHost) -> Iterator[Check]:
        for path in (
            f"/opt/amazon/{program}" for program in ("efa/bin/fi_info", "openmpi/bin/mpirun", "openmpi5/bin/mpirun")
        ):
            yield Check(f"{path} is left out", False, partial(_exists, host, path))

    def _full_checks(self, host: TestinfraHost) -> Iterator[Check]:
        yield Check(
            "libfabric has the EFA provider",
            True,
            lambda: "efa:" in host.check_output("/opt/amazon/efa/bin/fi_info -l").split(),
        )
        for folder in ("openmpi", "openmpi5"):
            wanted = folder in _MPI[self.mpi].split()
            title = f"/opt/amazon/{folder} is {'there' if wanted else 'left out'}"
            yield Check(title, wanted, partial(_exists, host, f"/opt/amazon/{folder}/bin/mpirun"))
        yield Check(
            "libfabric finds the EFA device",
            0,
            lambda: host.run("/opt/amazon/efa/bin/fi_info -p efa -t FI_EP_RDM").rc,
            device=EFA,
        )


def _exists(host: TestinfraHost, path: str) -> bool:
    return bool(host.file(path).exists)
