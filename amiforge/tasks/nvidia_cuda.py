"""NVIDIA CUDA toolkit and cuDNN."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from amiforge.errors import RecipeError
from amiforge.resources import File, PackageHold, Packages, Run
from amiforge.shell import script
from amiforge.tasks.parts.cuda_repository import cuda_repository
from amiforge.tasks.parts.gpu_architectures import release
from amiforge.tasks.parts.installed import installed_version
from amiforge.tasks.parts.library_path import library_path
from amiforge.tasks.parts.pci import NVIDIA
from amiforge.tasks.parts.printed import printed
from amiforge.tasks.platform import platforms
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

Version = Annotated[str, Field(pattern=r"^1[1-9]\.\d{1,2}(\.\d{1,2})?$")]

CUDA = "/usr/local/cuda"

# The packages make these alternatives themselves; the choice is made by hand here, so that no later toolkit changes it.
_CHOOSE = """
update-alternatives --install /usr/local/cuda cuda "$1" "$2" && exec update-alternatives --set cuda "$1"
"""
_CHOSEN = '[ "$(readlink -f /usr/local/cuda)" = "$1" ]'

# The last release that Amazon's repository for Amazon Linux 2 has.
_LAST_ON_AMZN2 = (12, 4)

_NVCC_RELEASE = re.compile(r"release (\d+\.\d+)")

# Names of cuDNN's packages, with the CUDA major to come; Amazon Linux 2 has none for CUDA 12.
_CUDNN = {
    "al2023": ("libcudnn9-cuda-", "libcudnn9-devel-cuda-"),
    "ubuntu2204": ("libcudnn9-cuda-", "libcudnn9-dev-cuda-"),
    "ubuntu2404": ("libcudnn9-cuda-", "libcudnn9-dev-cuda-"),
}

_COMPILE_AND_RUN = r"""
work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT
cat >"$work/add.cu" <<'END'
#include <cstdio>
__global__ void add(int *sum) { atomicAdd(sum, 1); }
int main() {
  int *sum;
  if (cudaMallocManaged(&sum, sizeof *sum) != cudaSuccess) return 1;
  *sum = 0;
  add<<<4, 32>>>(sum);
  if (cudaDeviceSynchronize() != cudaSuccess) return 1;
  std::printf("%d\n", *sum);
}
END
/usr/local/cuda/bin/nvcc -arch=native -o "$work/add" "$work/add.cu" && "$work/add"
"""


class NvidiaCuda(Task):
    """CUDA toolkit, several side by side if need be, with /usr/local/cuda meaning the chosen one; and cuDNN 9.

    The toolkit's own packages are taken, never `cuda`, which brings a driver along: the driver is a task of its own,
    and on Amazon Linux 2023 the repository may not even offer one. Amazon Linux 2 stays at CUDA 12.4, from Amazon's
    NVIDIA repository that the driver comes from.
    Source: NVIDIA CUDA installation guide for Linux; NVIDIA cuDNN installation guide.
    """

    platforms = platforms("al2023", "ubuntu2204", "ubuntu2404") | platforms("amzn2", arch=("x86_64",))

    version: Version = Field(
        "13.0", description="toolkit that /usr/local/cuda means: 13.0, or 13.0.2 to the last digit"
    )
    also: tuple[Version, ...] = Field((), description="further toolkits beside it, in /usr/local/cuda-X.Y")
    cudnn: bool = Field(True, description="install cuDNN 9 for the toolkit's major version; none for Amazon Linux 2")
    cudnn_version: str = Field(
        "", pattern=r"^(9(\.\d+){1,3})?$", description="cuDNN version; empty for the newest of the repository"
    )
    hold: bool = Field(True, description="keep later updates from moving toolkit and cuDNN")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give repository, toolkits, cuDNN, the choice of /usr/local/cuda, search paths, and the hold."""
        if system.os.name in _CUDNN:
            yield cuda_repository(system)
        elif newer := [version for version in self._versions if release(version) > _LAST_ON_AMZN2]:
            raise RecipeError(
                f"CUDA {newer[0]} is not packaged for {system.os.title}",
                fix="nvidia_cuda.version=12.4 is the last one, or bake another operating system",
            )
        yield Packages({f"cuda-toolkit-{_dashed(version)}": _exact(version) for version in self._versions}, weak=False)
        if cudnn := self._cudnn(system):
            yield Packages(dict.fromkeys(cudnn, self.cudnn_version), weak=False)
        tree = _tree(self.version)
        yield Run(
            f"let {CUDA} be {tree}",
            script(
                _CHOOSE,
                tree,
                "".join(map(str, release(self.version))),
                summary=f"update-alternatives --set cuda {tree}",
            ),
            proof=script(_CHOSEN, tree),
            job=False,
        )
        yield File("/etc/profile.d/cuda.sh", source="nvidia_cuda/cuda.sh")
        yield from library_path("/etc/ld.so.conf.d/000_amiforge_cuda.conf", f"{CUDA}/lib64")
        if self.hold:
            yield PackageHold((*(f"*-{_dashed(version)}" for version in self._versions), *cudnn))

    def software(self, system: System) -> Iterator[Software]:
        """Give the toolkits, and cuDNN."""
        source = _source(system)
        yield Software("CUDA toolkit", self.version, source, "version")
        for version in self.also:
            yield Software("CUDA toolkit, beside it", version, source, "also")
        if self._cudnn(system):
            yield Software("cuDNN", self.cudnn_version, source, "cudnn_version")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove compilers, headers, the chosen toolkit and cuDNN; with a GPU also that compiled code runs there."""
        for version in self._versions:
            number, tree = ".".join(version.split(".")[:2]), _tree(version)
            yield Check(f"nvcc in {tree} is release {number}", number, partial(_nvcc_release, host, tree))
            header = f"{tree}/include/cuda_runtime.h"
            yield Check(f"headers of CUDA {number} are here", True, partial(_exists, host, header))
        yield Check(
            f"{CUDA} is {_tree(self.version)}", _tree(self.version), lambda: host.check_output("readlink -f %s", CUDA)
        )
        for name in self._cudnn(system):
            wanted = (self.cudnn_version or "9").split(".")
            found = partial(_version_parts, host, system, name, len(wanted))
            yield Check(f"package {name} has version {'.'.join(wanted)}", wanted, found)
        yield Check(
            "code compiled by nvcc runs on the GPU", "128", lambda: printed(host, _COMPILE_AND_RUN), device=NVIDIA
        )

    @property
    def _versions(self) -> tuple[str, ...]:
        return (self.version, *self.also)

    def _cudnn(self, system: System) -> tuple[str, ...]:
        major, _ = release(self.version)
        return tuple(f"{name}{major}" for name in _CUDNN.get(system.os.name, ())) if self.cudnn else ()


def _tree(version: str) -> str:
    return f"{CUDA}-{'.'.join(map(str, release(version)))}"


def _dashed(version: str) -> str:
    return "-".join(map(str, release(version)))


def _exact(version: str) -> str:
    """Give the version that the package must have: any of the release unless its last digit is said too."""
    return version if version.count(".") > 1 else ""


def _nvcc_release(host: TestinfraHost, tree: str) -> str:
    found = _NVCC_RELEASE.search(host.check_output("%s/bin/nvcc --version", tree))
    return found[1] if found else ""


def _exists(host: TestinfraHost, path: str) -> bool:
    return bool(host.file(path).exists)


def _version_parts(host: TestinfraHost, system: System, package: str, count: int) -> list[str]:
    return installed_version(host, system, package).split(".")[:count]


def _source(system: System) -> str:
    if system.os.name not in _CUDNN:
        return "Amazon's NVIDIA repository for Amazon Linux 2"
    return cuda_repository(system).url.partition("://")[2].rstrip("/")
