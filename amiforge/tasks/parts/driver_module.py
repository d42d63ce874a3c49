"""The driver's kernel modules, for the kernel that the image boots: built by DKMS, or brought by NVIDIA's .run file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from amiforge.resources import Artifact, File, Packages, Run, VendorInstall
from amiforge.shell import script
from amiforge.systems.facts import DEFAULT_KERNEL
from amiforge.tasks.parts.extras import epel

if TYPE_CHECKING:
    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

Flavour = Literal["open", "proprietary"]

#: Host and folder of NVIDIA's .run files for data-centre GPUs.
DOWNLOADS = "us.download.nvidia.com/tesla"

_WORKSPACE = "/var/cache/amiforge/nvidia"

# Prints version and flavour of the module that the next boot will find; nothing when there is none.
_MODULE = rf"""
{DEFAULT_KERNEL}
version=$(modinfo -k "$default" -F version nvidia) || exit
case $(modinfo -k "$default" -F license nvidia) in *GPL*) flavour=open ;; *) flavour=proprietary ;; esac
printf '%s %s\n' "$version" "$flavour"
"""

#: Defines `built_on_driver`, which prints DKMS modules, `name/version`, that are compiled against the driver's.
BUILT_ON_DRIVER = r"""
built_on_driver() {
  for tree in /var/lib/dkms/efa-nv-peermem/* /var/lib/dkms/gdrdrv/* /var/lib/dkms/nvidia-fs/*; do
    [ ! -d "$tree" ] || [ -L "$tree" ] || printf '%s\n' "${tree#/var/lib/dkms/}"
  done
}
"""

_IS_BUILT = rf"""
{DEFAULT_KERNEL}
{BUILT_ON_DRIVER}
[ "$({_MODULE})" = "$1" ] || exit
for module in $(built_on_driver); do [ -d "/var/lib/dkms/$module/$default" ] || exit; done
"""

_BUILD = rf"""
{DEFAULT_KERNEL}
dkms install -m nvidia -v "$1" -k "$default" && exec dkms autoinstall -k "$default"
"""

# A module has to be built by the compiler that built the kernel, at least in its first number (NVIDIA's installer
# refuses another one). The kernel's configuration says which one that is, as in 140201 for 14.2.1.
_COMPILER = rf"""
{DEFAULT_KERNEL}
major=$(sed -n 's/^CONFIG_GCC_VERSION=\([0-9]*\)[0-9][0-9][0-9][0-9]$/\1/p' "/boot/config-$default" 2>/dev/null)
compiler() {{
  for name in gcc ${{major:+"gcc-$major" "gcc$major-gcc"}}; do
    found=$("$name" -dumpversion 2>/dev/null) || continue
    [ -n "$major" ] && [ "${{found%%.*}}" != "$major" ] || {{ command -v "$name" && return; }}
  done
  return 1
}}
"""

_HAS_COMPILER = rf"""
{_COMPILER}
[ -z "$major" ] || compiler >/dev/null
"""

_INSTALL_COMPILER = rf"""
{_COMPILER}
exec "$1" -y install "$2$major"
"""

_RUN = rf"""
{_COMPILER}
if CC=$(compiler); then export CC; else unset CC; fi
sh "$1" --silent --dkms --disable-nouveau "-m=$2" "--kernel-name=$default" && exec dkms autoinstall -k "$default"
"""


def build_tools(system: System) -> Iterator[Resource]:
    """Give headers, DKMS, and where the default compiler is not the kernel's, the one that is."""
    if system.kernel:
        yield Packages(system.os.kernel.packages(system.kernel).build)
    yield from epel(system)
    yield Packages(("dkms",))
    if system.os.name == "amzn2" and system.kernel.startswith("5."):
        yield Packages(("gcc10",))
        yield File("/etc/dkms/nvidia.conf", source="nvidia_driver/amzn2/dkms.conf")


def built(version: str, flavour: Flavour) -> Run:
    """Give the wish that the installed packages' modules, and those built on them, are there for the next kernel."""
    return Run(
        f"build nvidia {version} for the default kernel",
        script(_BUILD, version, summary=f"dkms install nvidia/{version} for the default kernel"),
        proof=script(_IS_BUILT, f"{version} {flavour}"),
    )


def run_file(version: str, flavour: Flavour, system: System) -> Iterator[Resource]:
    """Give modules and libraries of NVIDIA's .run file.

    Source: NVIDIA driver README, "Installing the NVIDIA driver"; aws/aws-parallelcluster-cookbook up to 3.15.
    """
    program, prefix = ("apt-get", "gcc-") if system.os.packages.name == "apt" else (system.os.packages.name, "gcc")
    yield Packages(("gcc", "make"))
    yield Run(
        "install the compiler that built the kernel",
        script(_INSTALL_COMPILER, program, prefix, summary=f"{program} -y install the kernel's gcc"),
        proof=script(_HAS_COMPILER),
        locks=system.os.packages.locks,
    )
    path = f"{_WORKSPACE}/{version}.run"
    folder = "kernel-open" if flavour == "open" else "kernel"
    yield VendorInstall(
        "NVIDIA driver",
        f"{version} {flavour}",
        observe=_MODULE,
        sources=(Artifact(f"https://{DOWNLOADS}/{version}/NVIDIA-Linux-{system.arch}-{version}.run", path),),
        install=script(_RUN, path, folder, summary=f"sh {path} --silent --dkms --disable-nouveau -m={folder}"),
        workspace=_WORKSPACE,
    )
