"""GDRCopy: low-latency copies between GPU and processor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from amiforge.resources import Archive, Artifact, File, Packages, Run, Service, VendorInstall
from amiforge.shell import script
from amiforge.tasks.parts.gpu_service import skipped_without
from amiforge.tasks.parts.pci import NVIDIA
from amiforge.tasks.parts.printed import printed, status
from amiforge.tasks.platform import platforms
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

# sha256 of releases, from aws/aws-parallelcluster-cookbook; 2.5.2 is what `git archive` and `gzip -n` make of its tag,
# which is how GitHub makes these files: the other two come out as the cookbook has them.
_KNOWN = {
    "2.4": "39e74d505ca16160567f109cc23478580d157da897f134989df1d563e55f7a5b",
    "2.5.2": "32bc7b2c198dd97ec251de0ff4823252c95e31a4c79a5f843c82514c9af2052b",
    "2.6": "c9eaf0593567ac5765d04c48cf7923dacb2644240b35bb5f025edb3bde1d5b4f",
}

_SOURCE = "github.com/NVIDIA/gdrcopy"
_WORKSPACE = "/var/cache/amiforge/gdrcopy"

# Print the version when all packages have the same one.
_RPM_INSTALLED = r"""
set -- $(rpm -q --qf '%{VERSION}\n' gdrcopy-kmod gdrcopy gdrcopy-devel)
[ $# -eq 3 ] && [ "$1" = "$2" ] && [ "$1" = "$3" ] && echo "$1"
"""
_DEB_INSTALLED = r"""
set -- $(dpkg-query -W -f '${Status} ${Version}\n' gdrdrv-dkms libgdrapi gdrcopy-tests |
  sed 's/^[a-z]* ok installed //; s/-[^-]*$//')
[ $# -eq 3 ] && [ "$1" = "$2" ] && [ "$1" = "$3" ] && echo "$1"
"""

# The project's scripts end well even where a build inside them failed: what counts is that the packages are there.
# They build below /tmp, which therefore has to allow programs. Files of another release are in nobody's way.
_RPM_BUILD = r"""
cd -- "$1/packages" && CUDA=/usr/local/cuda ./build-rpm-packages.sh || exit
set -- gdrcopy-kmod-*dkms*.noarch.rpm gdrcopy-[0-9]*."$(uname -m)".rpm gdrcopy-devel-*.noarch.rpm
for package do
  [ -f "$package" ] || { printf 'build-rpm-packages.sh made no %s\n' "$package" >&2; exit 1; }
done
exec rpm -U --oldpackage --replacepkgs -- "$@"
"""
_DEB_BUILD = r"""
cd -- "$1/packages" && CUDA=/usr/local/cuda ./build-deb-packages.sh || exit
set -- gdrdrv-dkms_*.deb libgdrapi_*.deb gdrcopy-tests_*.deb gdrcopy_*.deb
for package do
  [ -f "$package" ] || { printf 'build-deb-packages.sh made no %s\n' "$package" >&2; exit 1; }
done
exec dpkg --force-confnew -i -- "$@"
"""

# The packages build the module for the kernels they find; this is for a kernel that came later, or a module that went.
_MODULE = 'exec dkms install -m gdrdrv -v "$1" -k "$2" --force'
_HAS_MODULE = """
dkms status -m gdrdrv -v "$1" -k "$2" | grep -q ': installed' && modinfo -k "$2" -F version gdrdrv
"""

_HAS_SYMBOL = "grep -qs gdr_pin_buffer /usr/lib64/libgdrapi.so.2 /usr/lib/*-linux-gnu/libgdrapi.so.2"


@dataclass(frozen=True, slots=True)
class _Packaging:
    """How one package format builds, and what its packages call their boot script, which our unit replaces."""

    installed: str
    build: str
    service: str


_RPM = _Packaging(_RPM_INSTALLED, _RPM_BUILD, "gdrcopy")
_DEB = _Packaging(_DEB_INSTALLED, _DEB_BUILD, "gdrdrv")

# Build dependencies: Amazon EC2 user guide, "Get started with EFA and NCCL"; check's headers are wanted by 2.4 alone.
_DEB_TOOLS = ("build-essential", "devscripts", "debhelper", "fakeroot", "pkg-config", "dkms", "check", "libsubunit-dev")
_BY_OS = {
    "al2023": (_RPM, ("dkms", "rpm-build", "make", "gcc", "gcc-c++", "check", "check-devel")),
    "amzn2": (_RPM, ("dkms", "rpm-build", "make", "gcc", "gcc-c++", "check", "check-devel")),
    "ubuntu2204": (_DEB, _DEB_TOOLS),
    "ubuntu2404": (_DEB, _DEB_TOOLS),
}


class NvidiaGdrcopy(Task):
    """GDRCopy's library, tests and kernel module, built as packages by the project's own scripts.

    Comes after driver and CUDA: the module is compiled against the driver's sources and takes its flavour from them,
    the tests are compiled by nvcc. The module is part of DKMS, so it follows the kernel; it is loaded at boot by a unit
    of ours, skipped without a GPU, because the packages' own boot scripts fail there and do not fit Amazon Linux 2023.
    Source: NVIDIA/gdrcopy, README.md and packages/; Amazon EC2 user guide, "Get started with EFA and NCCL".
    """

    platforms = platforms("al2023", "ubuntu2204", "ubuntu2404") | platforms("amzn2", arch=("x86_64",))

    version: str = Field("2.5.2", pattern=r"^2\.\d+(\.\d+)?$", description="release; kernels from 6.15 on need 2.5.2")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give build dependencies, the unit, the packages, and the module for the kernel that the image boots."""
        packaging, tools = _BY_OS[system.os.name]
        yield Packages(tools, weak=False)
        yield from skipped_without({packaging.service: "gpu"}, system)
        yield File("/usr/local/libexec/amiforge/load-gdrdrv", source="nvidia_gdrcopy/load-gdrdrv", mode="0755")
        yield File(f"/etc/systemd/system/{packaging.service}.service", source="nvidia_gdrcopy/gdrdrv.service")
        yield self._install(packaging, system)
        if kernel := system.default_kernel:
            yield Run(
                f"build gdrdrv {self.version} for {kernel}",
                script(_MODULE, self.version, kernel, summary=f"dkms install gdrdrv/{self.version} -k {kernel}"),
                proof=script(_HAS_MODULE, self.version, kernel),
            )
        yield Service(f"{packaging.service}.service", running=None, enabled=True)

    def _install(self, packaging: _Packaging, system: System) -> VendorInstall:
        url = f"https://{_SOURCE}/archive/refs/tags/v{self.version}.tar.gz"
        packed, tree = f"{_WORKSPACE}/{self.version}.tar.gz", f"{_WORKSPACE}/tree"
        script_name = "build-rpm-packages.sh" if packaging is _RPM else "build-deb-packages.sh"
        return VendorInstall(
            "GDRCopy",
            self.version,
            observe=packaging.installed,
            sources=(
                Artifact(url, packed, sha256=_KNOWN.get(self.version, "")),
                Archive(packed, tree, strip=1, creates=f"packages/{script_name}"),
            ),
            install=script(packaging.build, tree, summary=f"CUDA=/usr/local/cuda ./{script_name}, and install"),
            workspace=_WORKSPACE,
            locks=system.os.packages.locks,
        )

    def software(self, system: System) -> Iterator[Software]:
        """Give the release."""
        yield Software("GDRCopy", self.version, _SOURCE, "version")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove packages, module and library; with a GPU also that the device is there and the project's tests pass."""
        packaging, _ = _BY_OS[system.os.name]
        kernel = system.default_kernel
        api = ".".join(self.version.split(".")[:2])
        yield Check(
            f"GDRCopy's packages have version {self.version}",
            self.version,
            lambda: printed(host, packaging.installed),
        )
        yield Check(
            f"kernel module gdrdrv for {kernel} is {api}",
            api,
            lambda: host.check_output("modinfo -k %s -F version gdrdrv", kernel),
        )
        yield Check(
            "libgdrapi offers gdr_pin_buffer",
            0,
            lambda: status(host, _HAS_SYMBOL),
        )
        yield Check(
            f"service {packaging.service} is enabled",
            True,
            lambda: bool(host.service(packaging.service).is_enabled),
        )
        yield Check("/dev/gdrdrv is here", True, lambda: bool(host.file("/dev/gdrdrv").exists), device=NVIDIA)
        yield Check("gdrcopy_sanity passes", 0, lambda: host.run("gdrcopy_sanity").rc, device=NVIDIA)
