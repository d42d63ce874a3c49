"""NVIDIA Collective Communications Library (NCCL), and its tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from amiforge.errors import RecipeError
from amiforge.resources import Archive, Artifact, File, PackageHold, Packages, Repository, VendorInstall
from amiforge.shell import script
from amiforge.tasks.parts.compile_jobs import JOBS
from amiforge.tasks.parts.cuda_repository import cuda_repository
from amiforge.tasks.parts.gpu_architectures import architectures, gencode, release
from amiforge.tasks.parts.library_path import library_path
from amiforge.tasks.parts.pci import NVIDIA
from amiforge.tasks.parts.printed import printed, status
from amiforge.tasks.platform import platforms
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

Setting = Annotated[str, Field(pattern=r"^NCCL_[A-Z0-9_]+=[\x20-\x7e]*$")]

# sha256 of releases: NCCL's as in openxla/xla; of the tests what `git archive` and `gzip -n` make of the tag, which is
# how GitHub makes these files.
_KNOWN = {"2.30.7-1": "292a7f7a27b6754acaf46b5506a60758ca7b18cc1dfbd3d1d4e1e229d0863b4e"}
_KNOWN_TESTS = {"2.19.6": "adbd3d27ba6c00bd7b7cf98cc8811c6ad860427ecd5de59527466b21472c0d93"}

_PREFIX = "/opt/nccl"
_TESTS = "/opt/nccl-tests"
_MPI = "/opt/amazon/openmpi"
_CONF = "/etc/ld.so.conf.d/000_amiforge_nccl.conf"
_WORKSPACE = "/var/cache/amiforge/nccl"

# NVIDIA builds each release once for a CUDA major version, and its minor is part of the package's version. The others
# of that major run it too. From package lists in public container files.
_BUILT_WITH = {
    "2.28.9-1": {12: "12.9", 13: "13.0"},
    "2.30.4-1": {12: "12.9", 13: "13.2"},
    "2.30.7-1": {12: "12.9", 13: "13.3"},
    "2.31.2-1": {12: "12.9", 13: "13.3"},
}

_PACKAGES = {
    "al2023": ("libnccl", "libnccl-devel"),
    "ubuntu2204": ("libnccl2", "libnccl-dev"),
    "ubuntu2404": ("libnccl2", "libnccl-dev"),
}

# NCCL's makefiles want Python 3, which all but Amazon Linux 2 have for themselves.
_COMPILERS = {
    "al2023": ("gcc", "gcc-c++", "make"),
    "amzn2": ("gcc", "gcc-c++", "make", "python3"),
    "ubuntu2204": ("build-essential",),
    "ubuntu2404": ("build-essential",),
}

# Arguments: tree, CUDA, what nvcc is told, prefix, what to write down. A library of another version does not stay.
_BUILD = f"""{JOBS}
cd -- "$1" && make -j"$jobs" src.build CUDA_HOME="$2" NVCC_GENCODE="$3" && rm -rf -- "$4" || exit
make src.install CUDA_HOME="$2" NVCC_GENCODE="$3" PREFIX="$4" && printf '%s\\n' "$5" >"$4/VERSION"
"""
_BUILT = '[ -e "$1/lib/libnccl.so.2" ] && cat -- "$1/VERSION"'

# Arguments: tree, CUDA, what nvcc is told, NCCL, Open MPI, prefix, what to write down. With MPI where it is, which is
# written down as well: tests without it see one machine only.
_BUILD_TESTS = f"""{JOBS}
tree=$1 cuda=$2 gencode=$3 nccl=$4 mpi=$5 prefix=$6 version=$7
set -- MPI=0
[ ! -e "$mpi/include/mpi.h" ] || set -- MPI=1 MPI_HOME="$mpi"
cd -- "$tree" && make -j"$jobs" "$@" CUDA_HOME="$cuda" NCCL_HOME="$nccl" NVCC_GENCODE="$gencode" || exit
rm -rf -- "$prefix" && mkdir -p -- "$prefix/build" && cp -- build/*_perf "$prefix/build/" &&
  printf '%s\\n%s\\n' "$version" "$1" >"$prefix/VERSION"
"""
_BUILT_TESTS = """
[ -x "$1/build/all_reduce_perf" ] || exit
[ ! -e "$2/include/mpi.h" ] || grep -qx MPI=1 "$1/VERSION" || exit
cat -- "$1/VERSION"
"""

_HEADER_VERSION = r"""
sed -n 's/^#define NCCL_\(MAJOR\|MINOR\|PATCH\) *\([0-9]*\).*/\2/p' "$1/include/nccl.h" | paste -sd . -
"""
_LIBRARY_VERSION = """
for library in "$1"/lib64/libnccl.so.2 "$1"/lib/*-linux-gnu/libnccl.so.2 "$1"/lib/libnccl.so.2; do
  [ -e "$library" ] || continue
  grep -a -o -m 1 'NCCL version [0-9.]*[0-9]' "$library" | head -n 1
  break
done
"""
_LIBRARY_ARCHITECTURES = r"""
"$1/bin/cuobjdump" --list-elf "$2/lib/libnccl.so.2" | sed -n 's/.*\.\(sm_[0-9]*\)[a-z]*\..*/\1/p' | sort -t _ -k 2 -nu
"""


class NvidiaNccl(Task):
    """NCCL for programs that bring none of their own, and the tests that prove GPUs and network.

    Packages are the default wherever NVIDIA has them: they are signed, tested, and made for all GPUs. Those for Amazon
    Linux 2023 are RHEL 9's, as in AWS's Deep Learning Containers: both have glibc 2.34, NVIDIA builds none for Amazon
    Linux itself, and nothing else may come from that repository. Amazon Linux 2 gets a build from source, as its
    repository ends before NCCL knew of today's GPUs.
    No environment variable is set for everybody: frameworks bring their own NCCL, and the EFA plugin chooses protocols.
    Source: NVIDIA/nccl and NVIDIA/nccl-tests, README.md and makefiles; aws/deep-learning-containers.
    """

    platforms = platforms("al2023", "ubuntu2204", "ubuntu2404") | platforms("amzn2", arch=("x86_64",))

    version: str = Field("2.30.7-1", pattern=r"^2\.\d+\.\d+-\d+$", description="release, as its tag says without the v")
    cuda: str = Field(
        "13.0", pattern=r"^1[1-9]\.\d{1,2}$", description="CUDA toolkit to build with, as nvidia_cuda has it"
    )
    method: Literal["auto", "packages", "source"] = Field(
        "auto", description="packages, or a build on the host; auto takes packages where there are some"
    )
    built_with: str = Field(
        "", pattern=r"^(1[1-9]\.\d{1,2})?$", description="CUDA in the packages' version; empty for the one we know of"
    )
    instances: tuple[str, ...] = Field(
        (), description="instance types or families to build for; none for all with GPUs that this CUDA knows"
    )
    tests: bool = Field(True, description="build nccl-tests in /opt/nccl-tests, with MPI where EFA's Open MPI is")
    tests_version: str = Field("2.19.6", pattern=r"^2\.\d+\.\d+$", description="release of nccl-tests")
    settings: tuple[Setting, ...] = Field(
        (), description="site defaults for every process, as NCCL_SOCKET_IFNAME=^docker,lo; in /etc/nccl.conf"
    )

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the library by the chosen way, its tests, and site defaults if there are any."""
        if self.tests or self._from_source(system):
            yield Packages(_COMPILERS[system.os.name], weak=False)
        if self._from_source(system):
            yield self._build(system)
            yield from library_path(_CONF, f"{_PREFIX}/lib")
        else:
            yield File(_CONF, present=False)
            yield self._repository(system)
            names = _PACKAGES[system.os.name]
            yield Packages(dict.fromkeys(names, f"{self.version}+cuda{self._built_with(system)}"), weak=False)
            yield PackageHold(names)
        if self.tests:
            yield self._build_tests(system)
        if self.settings:
            yield File("/etc/nccl.conf", "".join(f"{setting}\n" for setting in self.settings))

    def _from_source(self, system: System) -> bool:
        if self.method == "packages" and system.os.name not in _PACKAGES:
            raise RecipeError(f"NCCL has no packages for {system.os.title}", fix="nvidia_nccl.method=source")
        there = system.os.name in _PACKAGES and (self.built_with or self.version in _BUILT_WITH)
        return self.method == "source" or (self.method == "auto" and not there)

    def _built_with(self, system: System) -> str:
        major, _ = release(self.cuda)
        found = self.built_with or _BUILT_WITH.get(self.version, {}).get(major, "")
        if not found:
            raise RecipeError(
                f"it is not known with which CUDA {major} NVIDIA built the packages of NCCL {self.version}",
                fix=f"nvidia_nccl.built_with={self.cuda}, as the end of the package's version says, or method=source",
            )
        return found

    def _repository(self, system: System) -> Repository:
        if system.os.name != "al2023":
            return cuda_repository(system)
        theirs = cuda_repository(system)
        return Repository(
            "cuda-rhel9",
            theirs.url.replace("/amzn2023/", "/rhel9/"),
            key_url=theirs.key_url.replace("/amzn2023/", "/rhel9/"),
            key_fingerprint=theirs.key_fingerprint,
            only=("libnccl", "libnccl-devel"),
        )

    def _build(self, system: System) -> VendorInstall:
        computes = architectures(self.cuda, self.instances, system.arch)
        made = f"{self.version} with CUDA {self.cuda} for {_named(computes)}"
        url = f"https://github.com/NVIDIA/nccl/archive/refs/tags/v{self.version}.tar.gz"
        packed, tree = f"{_WORKSPACE}/{self.version}.tar.gz", f"{_WORKSPACE}/tree"
        return VendorInstall(
            "NCCL",
            made,
            observe=script(_BUILT, _PREFIX),
            sources=(
                Artifact(url, packed, sha256=_KNOWN.get(self.version, "")),
                Archive(packed, tree, strip=1, creates="src/nccl.h.in"),
            ),
            install=script(
                _BUILD,
                *(tree, _cuda(self.cuda), gencode(computes), _PREFIX, made),
                summary=f"make src.build NVCC_GENCODE='{gencode(computes)}'",
            ),
            workspace=_WORKSPACE,
            timeout=4 * 3600,
        )

    def _build_tests(self, system: System) -> VendorInstall:
        computes = architectures(self.cuda, self.instances, system.arch)
        made = f"{self.tests_version} with NCCL {self.version}, CUDA {self.cuda} for {_named(computes)}"
        url = f"https://github.com/NVIDIA/nccl-tests/archive/refs/tags/v{self.tests_version}.tar.gz"
        packed, tree = f"{_WORKSPACE}-tests/{self.tests_version}.tar.gz", f"{_WORKSPACE}-tests/tree"
        return VendorInstall(
            "nccl-tests",
            made,
            observe=script(_BUILT_TESTS, _TESTS, _MPI),
            sources=(
                Artifact(url, packed, sha256=_KNOWN_TESTS.get(self.tests_version, "")),
                Archive(packed, tree, strip=1, creates="src/common.mk"),
            ),
            install=script(
                _BUILD_TESTS,
                *(tree, _cuda(self.cuda), gencode(computes), self._home(system), _MPI, _TESTS, made),
                summary="make MPI=1 in nccl-tests",
            ),
            workspace=f"{_WORKSPACE}-tests",
            timeout=2 * 3600,
        )

    def _home(self, system: System) -> str:
        return _PREFIX if self._from_source(system) else "/usr"

    def software(self, system: System) -> Iterator[Software]:
        """Give library and tests."""
        source = "github.com/NVIDIA/nccl"
        if not self._from_source(system):
            source = self._repository(system).url.partition("://")[2].rstrip("/")
        yield Software("NCCL", self.version, source, "version")
        if self.tests:
            yield Software("nccl-tests", self.tests_version, "github.com/NVIDIA/nccl-tests", "tests_version")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove header and library, of our own builds the GPUs too; with a GPU also a collective operation."""
        version, home = self.version.partition("-")[0], self._home(system)
        yield Check(f"nccl.h says {version}", version, lambda: printed(host, _HEADER_VERSION, home))
        yield Check(f"libnccl says {version}", f"NCCL version {version}", lambda: printed(host, _LIBRARY_VERSION, home))
        if self._from_source(system):
            wanted = _named(architectures(self.cuda, self.instances, system.arch))
            found = partial(printed, host, _LIBRARY_ARCHITECTURES, _cuda(self.cuda), home)
            yield Check(f"libnccl has code for {wanted}", wanted.split(), lambda: found().split())
        if self.tests:
            program = f"{_TESTS}/build/all_reduce_perf"
            yield Check("all_reduce_perf is here", True, lambda: bool(host.file(program).exists))
            yield Check(
                "all GPUs reduce together",
                0,
                lambda: status(host, _ALL_REDUCE, program),
                device=NVIDIA,
            )


_ALL_REDUCE = 'exec "$1" -b 8 -e 1G -f 2 -g "$(nvidia-smi -L | wc -l)"'


def _named(computes: Sequence[int]) -> str:
    return " ".join(f"sm_{compute}" for compute in computes)


def _cuda(version: str) -> str:
    return f"/usr/local/cuda-{version}"
