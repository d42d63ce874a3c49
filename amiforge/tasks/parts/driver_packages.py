"""What NVIDIA's driver packages are called where, and which of them do not belong to a driver of a given version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from amiforge.shell import Command, script
from amiforge.tasks.parts.driver_module import BUILT_ON_DRIVER, Flavour
from amiforge.tasks.parts.stray_packages import CLEAR, functions, stray_packages

if TYPE_CHECKING:
    from amiforge.systems.system import System

#: First branch whose Ubuntu packages do not carry the branch in their names, and the same for fabric manager and IMEX.
_UNSUFFIXED = 590
_UNSUFFIXED_FABRIC = 580


@dataclass(frozen=True, slots=True)
class DriverPackages:
    """The packages of one driver version; all of them have that version.

    Attributes:
        driver: modules and libraries.
        other_flavour: the package with the other flavour's modules, which cannot be there at the same time.
        persistenced: persistence daemon; `fabric_manager` and `imex` likewise, empty where there is none.
        pinning: keeps apt at the version; has to be there before the driver is looked for. Empty for rpm.
    """

    driver: tuple[str, ...]
    other_flavour: str
    persistenced: str
    fabric_manager: str
    imex: str = ""
    pinning: str = ""


def driver_packages(system: System, version: str, flavour: Flavour) -> DriverPackages:
    """Give the names of a driver's packages.

    Sources: aws/amazon-ecs-ami (Amazon's repositories); NVIDIA driver installation guide, "Ubuntu 590 and later
    packages" and "Version locking".
    """
    branch = int(version.partition(".")[0])
    if system.os.name == "amzn2":
        return _amazon_linux_2()
    if system.os.name == "al2023":
        return _amazon_linux_2023(flavour, branch)
    return _ubuntu(version, flavour, branch)


def _amazon_linux_2() -> DriverPackages:
    """Give Amazon's packages, whose modules are the proprietary ones."""
    name = "nvidia-driver-latest-dkms"
    return DriverPackages(
        driver=("kmod-nvidia-latest-dkms", name, f"{name}-cuda"),
        other_flavour="kmod-nvidia-open-dkms",
        persistenced="nvidia-persistenced-latest-dkms",
        fabric_manager="nvidia-fabric-manager",
    )


def _amazon_linux_2023(flavour: Flavour, branch: int) -> DriverPackages:
    modules = {"open": "kmod-nvidia-open-dkms", "proprietary": "kmod-nvidia-latest-dkms"}
    return DriverPackages(
        driver=(modules.pop(flavour), "nvidia-driver", "nvidia-driver-cuda"),
        other_flavour=modules.popitem()[1],
        persistenced="nvidia-persistenced",
        fabric_manager="nvidia-fabric-manager" if branch < _UNSUFFIXED_FABRIC else "nvidia-fabricmanager",
        imex="nvidia-imex",
    )


def _ubuntu(version: str, flavour: Flavour, branch: int) -> DriverPackages:
    """Give NVIDIA's packages. The first brings the rest, but newer versions would do for it: pin and others decide."""
    suffix = "" if branch >= _UNSUFFIXED else f"-{branch}"
    fabric = "" if branch >= _UNSUFFIXED_FABRIC else f"-{branch}"
    modules = {"open": f"nvidia-dkms{suffix}-open", "proprietary": f"nvidia-dkms{suffix}"}
    whole = {"open": f"nvidia-open{suffix}", "proprietary": f"cuda-drivers{suffix}"}
    return DriverPackages(
        driver=(whole[flavour], modules.pop(flavour), f"libnvidia-compute{suffix}"),
        other_flavour=modules.popitem()[1],
        persistenced="nvidia-persistenced",
        fabric_manager=f"nvidia-fabricmanager{fabric}",
        imex=f"nvidia-imex{fabric}",
        pinning=f"nvidia-driver-pinning-{version}",
    )


# What must have the driver's version, as far as it is installed: the driver itself, and what only has to fit to it.
_RPM = (
    "kmod-nvidia*",
    "nvidia-kmod*",
    "nvidia-driver*",
    "nvidia-open*",
    "cuda-drivers*",
    "nvidia-persistenced*",
    "nvidia-modprobe*",
    "nvidia-settings*",
    "nvidia-xconfig*",
    "nvidia-libXNVCtrl*",
    "xorg-x11-nvidia*",
    "libnvidia-ml*",
    "libnvidia-cfg*",
    "libnvidia-fbc*",
    "libnvidia-gpucomp*",
)
_DEB = (
    "nvidia-open*",
    "cuda-drivers*",
    "nvidia-driver-[0-9]*",
    "nvidia-driver-open*",
    "nvidia-dkms*",
    "nvidia-kernel-*",
    "nvidia-headless-*",
    "nvidia-firmware*",
    "nvidia-utils-*",
    "nvidia-compute-utils-*",
    "nvidia-persistenced*",
    "nvidia-modprobe*",
    "libnvidia-cfg1*",
    "libnvidia-common*",
    "libnvidia-compute*",
    "libnvidia-decode*",
    "libnvidia-encode*",
    "libnvidia-extra*",
    "libnvidia-fbc1*",
    "libnvidia-gl*",
    "libnvidia-gpucomp*",
    "xserver-xorg-video-nvidia*",
    "linux-modules-nvidia-*",
    "linux-objects-nvidia-*",
    "linux-signatures-nvidia-*",
)
# Kept from moving; whatever else there is of the driver requires one of these in its own version.
_HELD = (
    "kmod-nvidia*",
    "nvidia-kmod*",
    "nvidia-driver*",
    "nvidia-persistenced*",
    "nvidia-modprobe*",
    "nvidia-fabric*",
    "nvidia-imex*",
    "libnvidia-ml*",
    "libnvidia-cfg*",
    "libnvidia-fbc*",
    "libnvidia-gpucomp*",
    "nvlsm",
)
_FABRIC = ("nvidia-fabric*", "nvidia-imex*", "libnvidia-nscq*", "libnvsdm*")
_PINNING = ("nvidia-driver-pinning-*",)

# What no package manager knows of: other versions that DKMS would build, an installation by NVIDIA's .run file (which
# must go at this version too when packages come), and drivers that an EKS or ECS image keeps aside for a unit of its
# own to choose from at boot, which would put its module over ours.
_BESIDE = r"""
run_file=$4
in_dkms() {
  set +f
  for tree in /var/lib/dkms/nvidia/* /var/lib/dkms/nvidia-open/* /var/lib/dkms/nvidia-srv/*; do
    [ -d "$tree" ] && [ ! -L "$tree" ] || continue
    tree=${tree#/var/lib/dkms/}
    [ "$tree" = "nvidia/$version" ] || printf '%s\n' "$tree"
  done
  set -f
}
at_boot() {
  set +f
  for kept in /var/lib/dkms-archive/nvidia* /opt/nvidia/lts /opt/nvidia/pb /opt/nvidia/current; do
    [ ! -e "$kept" ] || printf '%s\n' "$kept"
  done
  set -f
}
by_run_file() {
  [ ! -x /usr/bin/nvidia-uninstall ] || { [ -z "$run_file" ] && [ -z "$(in_dkms)" ]; } || echo /usr/bin/nvidia-uninstall
}
"""

_NONE = """
[ -z "$(strays; in_dkms; at_boot; by_run_file)" ]
"""

_CLEAR = rf"""
[ -z "$(by_run_file)" ] || /usr/bin/nvidia-uninstall --silent || exit
{CLEAR}
for module in $(in_dkms); do
  dkms remove -m "${{module%/*}}" -v "${{module#*/}}" --all || :
  rm -rf -- "/var/lib/dkms/$module" "/usr/src/${{module%/*}}-${{module#*/}}"
done
set +f
for module in $(built_on_driver); do
  dkms remove -m "${{module%/*}}" -v "${{module#*/}}" --all && dkms add -m "${{module%/*}}" -v "${{module#*/}}" || :
done
if [ -n "$(at_boot)" ]; then
  for unit in nvidia-kmod-load nvidia-driver-resolve nvidia-setup nvidia-package-install; do
    systemctl disable -q "$unit.service" 2>/dev/null || :
  done
  systemctl disable -q usr-bin.mount usr-lib64.mount usr-share.mount 2>/dev/null || :
  rm -rf -- $(at_boot)
fi
"""


@dataclass(frozen=True, slots=True)
class Foreign:
    """What does not belong to one driver: other versions, the other flavour, other ways of installing.

    Attributes:
        none: succeeds when there is nothing of the kind.
        clear: removes it.
        packages: prints the packages that are of another version, or may not be there at all.
    """

    none: Command
    clear: Command
    packages: Command


def foreign(system: System, version: str, wanted: DriverPackages | None) -> Foreign:
    """Tell what does not belong to a driver that comes as these packages, or from the .run file where that is None.

    What was compiled against another driver is forgotten with it, and built anew on this one.

    Two drivers in one image have been shipped (awslabs/amazon-eks-ami, change 2819): packages do not know of an
    installation by the .run file, nor of what its DKMS tree would build over theirs.
    """
    rpm = system.os.packages.name != "apt"
    driver = _RPM if rpm else _DEB
    same = (*_FABRIC, *(driver if wanted else ()), *(() if rpm else _PINNING))
    never = (wanted.other_flavour,) if wanted else driver
    text = functions(system) + _BESIDE + BUILT_ON_DRIVER
    args = version, " ".join(same), " ".join(never), "yes" if wanted else ""
    return Foreign(
        none=script(text + _NONE, *args),
        clear=script(text + _CLEAR, *args, summary=f"remove every NVIDIA driver but {version}"),
        packages=stray_packages(system, *args[:3]),
    )


def held(system: System) -> tuple[str, ...]:
    """Give patterns of the packages to hold at their version; none where a pinning package does it."""
    return () if system.os.packages.name == "apt" else _HELD
