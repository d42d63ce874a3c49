"""Reading what a host is: the text that asks, and what its answer means."""

from __future__ import annotations

from amiforge.errors import FactUnreadable
from amiforge.systems import identify
from amiforge.systems.system import Arch, System

#: Kernel modules that not every kernel has, and by which something is decided.
MODULES = ("tcp_bbr", "sch_fq")

#: Sets `default` to the release of the kernel that the next boot takes: what grubby says, else the link of the boot
#: menu, else the newest one in /boot; empty when there is none.
DEFAULT_KERNEL = r"""
default=$(grubby --default-kernel 2>/dev/null) || default=$(readlink /boot/vmlinuz) ||
  default=$(printf '%s\n' /boot/vmlinuz-* | sort -V | tail -n 1)
case $default in *vmlinuz-[0-9]*) default=${default##*vmlinuz-} ;; *) default= ;; esac
"""

#: Prints one `key value` line a fact.
FACTS = rf"""
(. /etc/os-release && printf 'os %s %s\n' "$ID" "$VERSION_ID")
printf 'arch %s\nkernel %s\n' "$(uname -m)" "$(uname -r)"
{DEFAULT_KERNEL}
[ -z "$default" ] || printf 'default_kernel %s\n' "$default"
kernel=${{default:-$(uname -r)}}
for module in {" ".join(MODULES)}; do
  ! modinfo -k "$kernel" -- "$module" >/dev/null 2>&1 || printf 'module %s\n' "$module"
done
read -r boot_id </proc/sys/kernel/random/boot_id && printf 'boot_id %s\n' "$boot_id"
printf 'user %s\n' "${{SUDO_USER:-$(id -un)}}"
container=$(systemd-detect-virt --container 2>/dev/null)
case $container in ''|none) ;; *) printf 'container %s\n' "$container";; esac
[ ! -d /run/systemd/system ] || printf 'systemd yes\n'
for device in /sys/bus/pci/devices/*; do
  [ -r "$device/vendor" ] || continue
  read -r vendor <"$device/vendor"; read -r model <"$device/device"
  printf 'pci %s:%s\n' "${{vendor#0x}}" "${{model#0x}}"
done
"""


def parse(answer: bytes) -> System:
    """Turn the answer to `FACTS` into a system.

    Raises:
        FactUnreadable: a fact that every host has is missing.
        ConfigError: the operating system is none of ours.
    """
    rows = [line.split(" ", 1) for line in answer.decode("utf-8", "replace").splitlines() if " " in line]
    facts = {key: value.strip() for key, value in rows if key not in {"pci", "module"}}
    missing = {"os", "arch", "kernel", "boot_id", "user"} - facts.keys()
    if missing:
        raise FactUnreadable(
            f"the host does not say its {', '.join(sorted(missing))}", stdout=answer[-500:].decode("utf-8", "replace")
        )
    release, _, version = facts["os"].partition(" ")
    return System(
        os=identify(release, version),
        arch=_arch(facts["arch"]),
        kernel=facts["kernel"],
        default_kernel=facts.get("default_kernel", ""),
        boot_id=facts["boot_id"],
        user=facts["user"],
        container="container" in facts,
        systemd="systemd" in facts,
        pci=frozenset(value.strip().lower() for key, value in rows if key == "pci"),
        modules=frozenset(value.strip() for key, value in rows if key == "module"),
    )


def _arch(machine: str) -> Arch:
    if machine == "x86_64":
        return "x86_64"
    if machine in {"aarch64", "arm64"}:
        return "aarch64"
    raise FactUnreadable(f"the host's architecture is {machine!r}", fix="use an x86_64 or arm64 image")
