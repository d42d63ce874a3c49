"""What a machine is by its system: its name, its kernels and their modules, and which units are enabled."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from amiforge.errors import FactUnreadable
from amiforge.host.base import Host
from amiforge.systems.facts import DEFAULT_KERNEL

# Modules in `weak-updates` were built for another kernel on purpose (weak-modules(8)), so they are left out.
_PORTRAIT = rf"""
say() {{ printf '%s\t%s\t%s\n' "$1" "$2" "$3"; }}
{DEFAULT_KERNEL}
say hostname "$(uname -n)"
say running "$(uname -r)"
say default "$default"
container=$(systemd-detect-virt --container 2>/dev/null)
case $container in ''|none) ;; *) say container "$container" ;; esac
kernel=${{default:-$(uname -r)}}
for folder in "/lib/modules/$kernel/updates" "/lib/modules/$kernel/extra"; do
  [ -d "$folder" ] || continue
  find "$folder" -type f -name '*.ko*' | while IFS= read -r file; do
    magic=$(modinfo -F vermagic "$file" 2>/dev/null)
    say module "${{file##*/}}" "${{magic%% *}}"
  done
done
if [ -d /run/systemd/system ]; then
  systemctl list-unit-files --no-legend --no-pager --full | while read -r unit state _; do
    say unit "$unit" "$state"
  done
fi
say end
"""
#: States of a unit file that outlive a boot and that somebody chose; see systemctl(1), `is-enabled`.
_LASTING = frozenset({"enabled", "disabled", "masked", "linked", "indirect"})


class Portrait(BaseModel):
    """A machine by its system.

    Attributes:
        hostname: its name.
        running: release of the kernel that runs.
        default: release of the kernel that the next boot takes; empty when there is none.
        container: it shares its host's kernel.
        modules: of modules that were added to the default kernel, file name to the kernel each was built for.
        units: unit files whose state outlives a boot, by name: `enabled`, `disabled`, `masked` and the like.
    """

    model_config = ConfigDict(frozen=True)

    hostname: str = ""
    running: str = ""
    default: str = ""
    container: bool = False
    modules: dict[str, str] = {}
    units: dict[str, str] = {}


def portrait(host: Host, timeout: float) -> Portrait:
    """Read it.

    Raises:
        FactUnreadable: the answer is not complete.
        HostError: the host did not answer.
    """
    output = host.run(_PORTRAIT, timeout=timeout)
    rows = [line.split("\t") for line in output.stdout.decode("utf-8", "replace").splitlines()]
    found: dict[str, dict[str, str]] = {}
    for kind, name, value in (row for row in rows if len(row) == 3):  # noqa: PLR2004 - three columns
        found.setdefault(kind, {})[name] = value
    if "end" not in found:
        said = output.stderr.decode("utf-8", "replace")[-1000:]
        raise FactUnreadable(f"{host.address} did not say what it is", stderr=said)
    single = {kind: next(iter(found.get(kind, ())), "") for kind in ("hostname", "running", "default")}
    units = {name: state for name, state in found.get("unit", {}).items() if state in _LASTING}
    return Portrait(**single, container="container" in found, modules=found.get("module", {}), units=units)
