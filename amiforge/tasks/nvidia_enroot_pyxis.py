"""Containers for Slurm jobs: enroot runs them without privileges, pyxis lets `srun` start them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pydantic import Field

from amiforge.resources import Archive, Artifact, Directory, File, Packages, Run, Symlink, Sysctl, VendorInstall
from amiforge.shell import script
from amiforge.tasks.parts.extras import epel
from amiforge.tasks.parts.installed import installed_version
from amiforge.tasks.platform import EVERYWHERE, platforms
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

_PATH = r"^/[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$"
_ENROOT = "/var/cache/amiforge/enroot"
_PYXIS = "/var/cache/amiforge/pyxis"
_PLUGIN = "/usr/local/lib/slurm/spank_pyxis.so"
_BUILT = "/usr/local/share/pyxis/built-by-amiforge"
_RUNTIME = "/run/pyxis"


class _Os(NamedTuple):
    """What differs with the operating system.

    Attributes:
        needed: what enroot calls at run time.
        compiler: what builds pyxis.
        package: name of enroot's package file, with `%` where `+caps` stands for the second one.
        observe: prints the installed version of both packages, a line each.
        install: installs package files, down to an older version if need be.
    """

    needed: tuple[str, ...]
    compiler: tuple[str, ...]
    package: str
    observe: str
    install: str


_RPM_OBSERVE = "rpm -q --qf '%{VERSION}\\n' -- enroot enroot+caps"
_RPM_PACKAGE = "enroot%-{version}-1.el8.{arch}.rpm"
_UBUNTU = _Os(
    ("curl", "fuse-overlayfs", "gawk", "jq", "parallel", "pigz", "squashfs-tools", "squashfuse", "zstd"),
    ("gcc", "libc6-dev", "make"),
    "enroot%_{version}-1_{deb_arch}.deb",
    "dpkg-query -W -f='${db:Status-Abbrev}${Version}\\n' -- enroot enroot+caps | sed -n 's/^.i \\(.*\\)-1$/\\1/p'",
    """
apt-get -y -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \\
  --allow-downgrades install -- "$@"
""",
)

# The rpm for el8 is the one that ParallelCluster puts on both generations of Amazon Linux.
_BY_OS = {
    "al2023": _Os(
        ("jq", "parallel", "pigz", "squashfs-tools", "zstd"),
        ("gcc", "make"),
        _RPM_PACKAGE,
        _RPM_OBSERVE,
        'dnf -y install -- "$@"',
    ),
    "amzn2": _Os(
        ("jq", "parallel", "pigz", "squashfs-tools", "squashfuse", "zstd"),
        ("gcc", "make"),
        _RPM_PACKAGE,
        _RPM_OBSERVE,
        'yum -y install -- "$@" || yum -y downgrade -- "$@"',
    ),
    "ubuntu2204": _UBUNTU,
    "ubuntu2404": _UBUNTU,
}

# One version where both packages have the same.
_ENROOT_INSTALLED = r"""
versions=$(observe) && [ "$(printf '%s\n' "$versions" | wc -l)" -eq 2 ] || exit
printf '%s\n' "$versions" | sort -u | tr '\n' ' '
"""

# `slurm` is where Slurm is. Since 21.08 it loads no plugin that was built for another release, so that counts too.
_SLURM_VERSION = r"""
slurm_version() {
  number=$(sed -n 's/^#define SLURM_VERSION_NUMBER *\(0x[0-9a-fA-F]*\).*/\1/p' "$1/include/slurm/slurm_version.h")
  [ -n "$number" ] && printf '%d.%02d.%d\n' "$((number >> 16))" "$((number >> 8 & 255))" "$((number & 255))"
}
"""

# The record says what was built, for which Slurm, and the digest of the plugin that came of it.
_PYXIS_INSTALLED = rf"""{_SLURM_VERSION}
read -r version slurm digest <{_BUILT} && found=$(sha256sum <{_PLUGIN}) || exit
[ "${{found%% *}}" = "$digest" ] || {{ echo 'another build'; exit; }}
[ "$slurm" = "$(slurm_version "$1")" ] || version="$version for Slurm $slurm"
echo "$version"
"""

# The Makefile adds to CPPFLAGS of the environment; given as an argument they would replace what it says itself.
_PYXIS_INSTALL = rf"""{_SLURM_VERSION}
tree=$1 slurm=$2 version=$3
against=$(slurm_version "$slurm") || exit
export CPPFLAGS="-I $slurm/include"
make -C "$tree" && make -C "$tree" install || exit
digest=$(sha256sum <{_PLUGIN}) || exit
printf '%s %s %s\n' "$version" "$against" "${{digest%% *}}" >{_BUILT}
"""

_NO_HEADERS = r"""
printf 'there is no %s: %s\n' "$1" \
  'bake an image of ParallelCluster or PCS, or set nvidia_enroot_pyxis.slurm to where Slurm is, or pyxis=false' >&2
exit 1
"""

# Slurm refuses a plugin that is loaded twice. An include that covers the folder may be there in several forms.
_PLUGSTACK = r"""
stack=$1/plugstack.conf folder=$1/plugstack.conf.d
includes() {
  [ -f "$stack" ] && while read -r word path _; do
    case $word:${path#"$1/"} in include:plugstack.conf.d/'*'|include:plugstack.conf.d/'*.conf') return 0 ;; esac
  done <"$stack"
  return 1
}
others() {
  for file in "$stack" "$folder"/*.conf; do
    [ "$file" = "$folder/pyxis.conf" ] || grep -ls '^[^#]*spank_pyxis\.so' "$file"
  done
}
"""
_ENABLED = f'{_PLUGSTACK}includes "$1" && [ -z "$(others)" ]\n'
_ENABLE = rf"""{_PLUGSTACK}
[ -z "$(others)" ] || {{ printf '%s loads pyxis already: remove that line\n' "$(others)" >&2; exit 1; }}
includes "$1" && exit
[ ! -s "$stack" ] || [ -z "$(tail -c 1 -- "$stack")" ] || echo >>"$stack" || exit
printf 'include %s/*.conf\n' "$folder" >>"$stack"
"""


class NvidiaEnrootPyxis(Task):
    """Enroot, and pyxis built for the Slurm that is there.

    Containers find their GPUs by libnvidia-container, which comes with the NVIDIA container toolkit. A pyxis that the
    source image brought along is replaced by ours in its place, and loaded once.
    Sources: NVIDIA/enroot doc/installation.md and doc/requirements.md; NVIDIA/pyxis README.md and Makefile;
    aws/aws-parallelcluster-cookbook, resources/enroot.
    """

    platforms: ClassVar = EVERYWHERE - platforms("amzn2", arch=("aarch64",))

    enroot_version: str = Field("4.2.1", pattern=r"^\d+\.\d+\.\d+$", description="enroot version")
    nvidia: bool = Field(
        False, description="GPUs in containers; takes the repository that the NVIDIA container toolkit comes from"
    )
    data: str = Field("/var/lib/enroot/data", pattern=_PATH, description="where containers are unpacked")
    cache: str = Field("/var/cache/enroot", pattern=_PATH, description="where layers of images are kept")
    pyxis: bool = Field(True, description="build pyxis and have Slurm load it")
    pyxis_version: str = Field("0.24.0", pattern=r"^\d+\.\d+\.\d+$", description="pyxis version")
    slurm: str = Field("/opt/slurm", pattern=_PATH, description="where Slurm is, with include and etc in it")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give enroot with what it calls, its configuration, and pyxis."""
        yield from epel(system)
        yield Packages(_BY_OS[system.os.name].needed)
        if self.nvidia:
            yield Packages(("libnvidia-container-tools",))
        yield self._enroot(system)
        yield from self._configuration()
        if self.pyxis:
            yield from self._pyxis(system)

    def _enroot(self, system: System) -> Resource:
        there = _BY_OS[system.os.name]
        deb_arch = "arm64" if system.arch == "aarch64" else "amd64"
        name = there.package.format(version=self.enroot_version, arch=system.arch, deb_arch=deb_arch)
        names = (name.replace("%", ""), name.replace("%", "+caps"))
        url = f"https://github.com/NVIDIA/enroot/releases/download/v{self.enroot_version}"
        return VendorInstall(
            "enroot",
            self.enroot_version,
            observe=f"observe() {{ {there.observe}; }}\n{_ENROOT_INSTALLED}",
            sources=tuple(Artifact(f"{url}/{each}", f"{_ENROOT}/{each}") for each in names),
            install=script(
                there.install, *(f"{_ENROOT}/{each}" for each in names), summary=f"install {' '.join(names)}"
            ),
            workspace=_ENROOT,
            locks=system.os.packages.locks,
        )

    def _configuration(self) -> Iterator[Resource]:
        values = {"data": self.data, "cache": self.cache}
        yield File("/etc/tmpfiles.d/enroot.conf", source="nvidia_enroot_pyxis/tmpfiles.conf", values=values)
        yield File(
            "/etc/enroot/enroot.conf.d/50-amiforge.conf", source="nvidia_enroot_pyxis/enroot.conf", values=values
        )
        for folder in ("/run/enroot", "/var/lib/enroot/config", self.cache, self.data):
            yield Directory(folder, mode="1777")
        # Hardened images have none; enroot needs some for every container.
        yield Sysctl("user.max_user_namespaces", 65536)
        yield Sysctl("user.max_mnt_namespaces", 65536)

    def _pyxis(self, system: System) -> Iterator[Resource]:
        header, etc = f"{self.slurm}/include/slurm/spank.h", f"{self.slurm}/etc"
        packed, tree = f"{_PYXIS}/{self.pyxis_version}.tar.gz", f"{_PYXIS}/tree"
        yield Run(
            f"find {header}",
            script(_NO_HEADERS, header, summary=f"test -r {header}"),
            proof=script('[ -r "$1" ]', header),
            job=False,
        )
        for hook in ("50-slurm-pmi.sh", "50-slurm-pytorch.sh"):
            yield Symlink(f"/etc/enroot/hooks.d/{hook}", f"/usr/share/enroot/hooks.d/{hook}")
        yield Packages(_BY_OS[system.os.name].compiler)
        yield VendorInstall(
            "pyxis",
            self.pyxis_version,
            observe=script(_PYXIS_INSTALLED, self.slurm),
            sources=(
                Artifact(f"https://github.com/NVIDIA/pyxis/archive/refs/tags/v{self.pyxis_version}.tar.gz", packed),
                Archive(packed, tree, strip=1, creates="Makefile"),
            ),
            install=script(_PYXIS_INSTALL, tree, self.slurm, self.pyxis_version, summary="make install pyxis"),
            workspace=_PYXIS,
        )
        yield Directory(_RUNTIME)
        yield File("/etc/tmpfiles.d/pyxis.conf", f"d {_RUNTIME} 0755 root root -\n")
        yield File(f"{etc}/plugstack.conf.d/pyxis.conf", f"required {_PLUGIN} runtime_path={_RUNTIME}\n")
        yield Run(
            f"load pyxis by {etc}/plugstack.conf",
            script(_ENABLE, etc, summary=f"include {etc}/plugstack.conf.d/*.conf in plugstack.conf"),
            proof=script(_ENABLED, etc),
            job=False,
        )

    def software(self, system: System) -> Iterator[Software]:
        """Give both."""
        yield Software("enroot", self.enroot_version, "github.com/NVIDIA/enroot", option="enroot_version")
        if self.pyxis:
            yield Software("pyxis", self.pyxis_version, "github.com/NVIDIA/pyxis", option="pyxis_version")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove enroot and what it needs of the system, and a plugin that fits the Slurm that is there."""
        yield Check(
            f"enroot says {self.enroot_version}", self.enroot_version, lambda: host.check_output("enroot version")
        )
        yield Check(
            "enroot has its capabilities",
            self.enroot_version,
            lambda: installed_version(host, system, "enroot+caps"),
        )
        yield Check("everybody may have a folder in /run/enroot", 0o1777, lambda: host.file("/run/enroot").mode)
        if system.os.name == "ubuntu2404":
            profile = "/etc/apparmor.d/enroot"
            yield Check(
                "AppArmor lets enroot have user namespaces",
                True,
                lambda: "userns" in host.file(profile).content_string,
            )
        if self.pyxis:
            yield Check(
                f"pyxis {self.pyxis_version} is built for the Slurm that is here",
                self.pyxis_version,
                lambda: host.check_output("sh -c %s sh %s", _PYXIS_INSTALLED, self.slurm),
            )
            yield Check(
                "Slurm loads pyxis once",
                0,
                lambda: host.run("sh -c %s sh %s", _ENABLED, f"{self.slurm}/etc").rc,
            )
