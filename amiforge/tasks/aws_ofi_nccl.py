"""AWS's plugin that lets NCCL use EFA over libfabric."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from amiforge.errors import RecipeError
from amiforge.resources import Archive, Artifact, File, Packages, Run, VendorInstall
from amiforge.shell import script
from amiforge.tasks.parts.compile_jobs import JOBS
from amiforge.tasks.parts.library_path import library_path
from amiforge.tasks.parts.printed import printed, status
from amiforge.tasks.platform import EVERYWHERE
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

_SOURCE = "github.com/aws/aws-ofi-nccl"
_PREFIX = "/opt/aws-ofi-nccl"
_BUNDLED = "/opt/amazon/ofi-nccl"
# Comes before the installer's own 100_ofinccl.conf.
_CONF = "/etc/ld.so.conf.d/090_amiforge_ofi_nccl.conf"
_WORKSPACE = "/var/cache/amiforge/aws-ofi-nccl"

# The plugin has to be C++20, which is why Amazon Linux 2 has no compiler for it.
_TOOLS = {
    "al2023": ("gcc", "gcc-c++", "make", "hwloc-devel"),
    "ubuntu2204": ("build-essential", "libhwloc-dev"),
    "ubuntu2404": ("build-essential", "libhwloc-dev"),
}

# The installer's libraries are in lib64, in lib/<triplet> or in lib, depending on its version and the system.
_FIND = """
find_plugin() {
  for plugin in "$1"/lib64/libnccl-net*.so "$1"/lib/*/libnccl-net*.so "$1"/lib/libnccl-net*.so; do
    [ ! -e "$plugin" ] || { printf '%s\\n' "$plugin"; return; }
  done
  return 1
}
"""
_IS_HERE = f'{_FIND}find_plugin "$1" >/dev/null'
_MISSING = """
echo 'The EFA installer left out its NCCL plugin: install EFA before this, with aws_efa.minimal=false,' >&2
echo 'or build the plugin yourself with aws_ofi_nccl.version.' >&2
exit 1
"""

# Whether the machine is on EC2 is nothing that a build should have to find out, so the platform is named.
_BUILD = f"""{JOBS}
cd -- "$1" && rm -rf -- "$2" && ./configure --prefix="$2" --with-libfabric="$3" --with-cuda="$4" \\
  --enable-platform-aws --disable-tests && make -j"$jobs" && make install && printf '%s\\n' "$5" >"$2/VERSION"
"""
_BUILT = f'{_FIND}find_plugin "$1" >/dev/null && cat -- "$1/VERSION"'

_VERSION = f"""{_FIND}
plugin=$(find_plugin "$1") && grep -a -o -m 1 'aws-ofi-nccl [0-9][0-9.]*[0-9]' "$plugin" | head -n 1
"""
_NOT_FOUND = f"""{_FIND}
plugin=$(find_plugin "$1") || exit
ldd "$plugin" 2>&1 | sed -n 's/^[[:space:]]*\\(.*\\) => not found$/\\1/p'
"""
_OVER_OFI = """
tests=/opt/nccl-tests/build/all_reduce_perf
[ -x "$tests" ] || exit 0
NCCL_DEBUG=INFO "$tests" -b 8 -e 8 -g 1 | grep -q 'NET/OFI'
"""


class AwsOfiNccl(Task):
    """The NCCL plugin for EFA: the one that the EFA installer brings, or a release built from source.

    The bundled one is tested with the libfabric beside it, so nothing has to be built; it is only made sure that it is
    there, since a minimal installation leaves it out. A version makes it a build of its own, which comes first.
    Source: aws/aws-ofi-nccl, INSTALL.md and RELEASENOTES.md.
    """

    version: str = Field(
        "",
        pattern=r"^(1\.(1[4-9]|[2-9]\d)\.\d+)?$",
        description="release to build from source, as 1.21.1; empty for the one that the EFA installer brought",
    )

    platforms = EVERYWHERE

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the proof that the bundled plugin is there, or the build of another."""
        if not self.version:
            yield File(_CONF, present=False)
            yield Run(
                "find the NCCL plugin that the EFA installer brings",
                script(_MISSING, summary="look for it in vain"),
                proof=script(_IS_HERE, _BUNDLED),
                job=False,
            )
            return
        if system.os.name not in _TOOLS:
            raise RecipeError(
                f"aws-ofi-nccl {self.version} cannot be built on {system.os.title}, whose compiler is older than C++20",
                fix="leave aws_ofi_nccl.version empty: the EFA installer brings the plugin",
            )
        yield Packages(_TOOLS[system.os.name], weak=False)
        yield self._build()
        yield from library_path(_CONF, f"{_PREFIX}/lib")

    def _build(self) -> VendorInstall:
        url = f"https://{_SOURCE}/releases/download/v{self.version}/aws-ofi-nccl-{self.version}.tar.gz"
        packed, tree = f"{_WORKSPACE}/{self.version}.tar.gz", f"{_WORKSPACE}/tree"
        return VendorInstall(
            "aws-ofi-nccl",
            self.version,
            observe=script(_BUILT, _PREFIX),
            sources=(Artifact(url, packed), Archive(packed, tree, strip=1, creates="configure")),
            install=script(
                _BUILD,
                *(tree, _PREFIX, "/opt/amazon/efa", "/usr/local/cuda", self.version),
                summary="./configure --enable-platform-aws --disable-tests && make install",
            ),
            workspace=_WORKSPACE,
        )

    def software(self, system: System) -> Iterator[Software]:
        """Give the plugin, unless it is the EFA installer's."""
        if self.version:
            yield Software("aws-ofi-nccl", self.version, _SOURCE, "version")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove the plugin and that it finds its libraries; with an EFA device also that NCCL takes it."""
        prefix = _PREFIX if self.version else _BUNDLED
        if self.version:
            wanted = f"aws-ofi-nccl {self.version}"
            yield Check(f"the NCCL plugin is {wanted}", wanted, lambda: printed(host, _VERSION, prefix))
        else:
            yield Check("the NCCL plugin of the EFA installer is here", 0, lambda: status(host, _IS_HERE, prefix))
        yield Check("the NCCL plugin finds its libraries", "", lambda: printed(host, _NOT_FOUND, prefix))
        yield Check("nccl-tests, if here, go over NET/OFI", 0, lambda: status(host, _OVER_OFI), device="1d0f:efa")
