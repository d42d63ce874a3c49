"""What is installed on a host, with versions: what an image is made of, for its manifest."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from amiforge.host.base import Host

_INVENTORY = r"""
printf 'kernel\tkernel\t%s\n' "$(uname -r)"
. /etc/os-release
printf 'os\tos\t%s\n' "$PRETTY_NAME"
if command -v dpkg-query >/dev/null 2>&1; then
  dpkg-query -W -f 'package\t${Package}\t${Version}\n'
fi
if command -v rpm >/dev/null 2>&1; then
  rpm -qa --qf 'package\t%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n'
fi
for file in /sys/module/*/version; do
  [ -f "$file" ] || continue
  module=${file%/version}
  printf 'module\t%s\t%s\n' "${module##*/}" "$(cat "$file")"
done
if command -v dkms >/dev/null 2>&1; then
  dkms status 2>/dev/null | while IFS=, read -r module rest; do
    printf 'module\t%s\t%s\n' "${module%%/*}" "${module#*/}"
  done
fi
"""


class Inventory(BaseModel):
    """Versions found on a host. Of packages installed in several versions (kernels) all are named."""

    model_config = ConfigDict(frozen=True)

    os: str = ""
    kernel: str = ""
    packages: dict[str, str] = {}
    modules: dict[str, str] = {}


def inventory(host: Host, timeout: float) -> Inventory:
    """Read what is installed on a host, and which kernel and modules run."""
    text = host.run(_INVENTORY, timeout=timeout).stdout.decode("utf-8", "replace")
    rows = [line.split("\t") for line in text.splitlines() if line.count("\t") == 2]  # noqa: PLR2004 - three columns
    found: dict[str, dict[str, str]] = {"package": {}, "module": {}, "kernel": {}, "os": {}}
    for kind, name, version in sorted(rows):
        known = found.setdefault(kind, {})
        known[name] = f"{known[name]} {version}" if name in known and version not in known[name].split() else version
    return Inventory(
        os=found["os"].get("os", ""),
        kernel=found["kernel"].get("kernel", ""),
        packages=found["package"],
        modules=found["module"],
    )
