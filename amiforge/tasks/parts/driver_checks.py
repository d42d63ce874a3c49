"""What proves an NVIDIA driver: without a GPU what is installed, with one what it does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from amiforge.tasks.parts.installed import installed_version
from amiforge.tasks.parts.pci import NVIDIA
from amiforge.tasks.task import Check

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.shell import Command
    from amiforge.systems.system import System


#: PCI devices that fabric manager works for: NVSwitch of A100 and H100, and the bridge that stands before that of B200.
_NVSWITCH = {"10de:1af1": "P4", "10de:22a3": "P5", "15b3:1021": "P6"}
#: Those of them whose GPUs register with the fabric, so that nvidia-smi shows how that went.
_REGISTERED = ("10de:22a3", "15b3:1021")

_GPUS = r"""
count=0
for device in /sys/bus/pci/devices/*; do
  read -r vendor <"$device/vendor" && read -r class <"$device/class" || continue
  case $vendor:$class in 0x10de:0x0302*|0x10de:0x0300*) count=$((count + 1)) ;; esac
done
echo "$count"
"""

# GPUs register one after the other: up to 90 seconds on eight of them.
_FABRIC = r"""
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24; do
  states=$(nvidia-smi -q | sed -n '/^ *Fabric$/,/Status/s/^ *State *: //p' | sort -u)
  [ "$states" != Completed ] || break
  sleep 4
done
echo "$states"
"""

_MODULES = "find /lib/modules/%s -name 'nvidia.ko*' | wc -l"


def module_checks(host: TestinfraHost, kernel: str, version: str, flavour: str) -> Iterator[Check]:
    """Prove the module: version, flavour, made for the kernel that the image boots, and the only one."""
    of = partial(_of_module, host, kernel)
    licence = "Dual MIT/GPL" if flavour == "open" else "NVIDIA"
    yield Check(f"kernel module nvidia for {kernel} is {version}", version, partial(of, "version"))
    yield Check(f"kernel module nvidia is the {flavour} one", licence, partial(of, "license"))
    made_for = f"kernel module nvidia is made for {kernel}"
    yield Check(made_for, kernel, lambda: of("vermagic").partition(" ")[0])
    yield Check(
        f"there is one kernel module nvidia for {kernel}", "1", lambda: host.check_output(_MODULES, kernel).strip()
    )
    yield Check("every DKMS module is installed", [], lambda: _not_installed(host.check_output("dkms status")))
    nouveau = "nouveau is blacklisted"
    yield Check(nouveau, True, lambda: host.run("grep -rqx 'blacklist nouveau' /etc/modprobe.d").rc == 0)


def package_checks(
    host: TestinfraHost, system: System, version: str, names: tuple[str, ...], foreign: Command
) -> Iterator[Check]:
    """Prove that each package is there, and that no package of the driver has another version than it."""
    for name in names:
        found = partial(installed_version, host, system, name)
        yield Check(f"package {name} has the driver's version", version, found)
    others = f"no NVIDIA driver package has another version than {version}"
    yield Check(others, [], lambda: host.check_output(foreign.text()).splitlines())


def boot_checks(host: TestinfraHost, enabled: dict[str, bool]) -> Iterator[Check]:
    """Prove which services start at boot."""
    for name, wanted in enabled.items():
        title = f"service {name} is {'enabled' if wanted else 'not enabled'}"
        yield Check(title, wanted, partial(_is_enabled, host, name))


def nvlsm_checks(host: TestinfraHost) -> Iterator[Check]:
    """Prove the subnet manager, and what it reaches the switches through."""
    yield Check("NVLink subnet manager is here", True, lambda: host.file("/opt/nvidia/nvlsm/sbin/nvlsm").exists)
    yield Check("ibstat is here, which fabric manager's start asks", True, lambda: host.exists("ibstat"))
    at_boot = "grep -rqx ib_umad /etc/modules-load.d"
    yield Check("kernel module ib_umad is loaded at boot", True, lambda: host.run(at_boot).rc == 0)


def live_checks(host: TestinfraHost, version: str, *, persistence: bool, fabric_manager: bool) -> Iterator[Check]:
    """Prove that the driver answers for every GPU, and that those behind NVSwitch are connected."""
    loaded = f"the loaded driver is {version}"
    yield Check(loaded, version, lambda: host.check_output("cat /sys/module/nvidia/version"), NVIDIA)
    named = "/proc/driver/nvidia/version names the same"
    yield Check(named, True, lambda: version in host.check_output("cat /proc/driver/nvidia/version").split(), NVIDIA)
    yield Check("nvidia-smi sees every GPU", True, partial(_sees_all, host), NVIDIA)
    if persistence:
        query = "nvidia-smi --query-gpu=persistence_mode --format=csv,noheader"
        kept = "persistence mode is on"
        yield Check(kept, {"Enabled"}, lambda: set(host.check_output(query).split()), NVIDIA)
    for device, family in _NVSWITCH.items() if fabric_manager else ():
        yield Check(f"fabric manager runs on {family}", True, partial(_runs, host, "nvidia-fabricmanager"), device)
        if device in _REGISTERED:
            fabric = f"every GPU of {family} has joined the fabric"
            yield Check(fabric, "Completed", lambda: host.check_output(_FABRIC).strip(), device)


def _of_module(host: TestinfraHost, kernel: str, field: str) -> str:
    return str(host.check_output("modinfo -k %s -F %s nvidia", kernel, field))


def _not_installed(status: str) -> list[str]:
    """Give the lines of `dkms status` that tell of a module which is not installed, or was replaced since."""
    lines = [line for line in status.splitlines() if line.strip()]
    return [line for line in lines if "installed" not in line or "Diff between built and installed" in line]


def _is_enabled(host: TestinfraHost, service: str) -> bool:
    return bool(host.service(service).is_enabled)


def _runs(host: TestinfraHost, service: str) -> bool:
    return bool(host.service(service).is_running)


def _sees_all(host: TestinfraHost) -> bool:
    seen = host.check_output("nvidia-smi -L").splitlines()
    there = int(host.check_output(_GPUS))
    if len(seen) != there:
        raise AssertionError(f"{there} GPUs on the bus, {len(seen)} seen by nvidia-smi")
    return True
