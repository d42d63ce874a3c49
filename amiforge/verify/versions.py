"""What nodes of a cluster are compared by: what each runs and has installed, read in a moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from amiforge.host.base import Host

_TIMEOUT = 120.0

#: Prints `name<TAB>version` lines; the most telling first.
_VERSIONS = r"""
(. /etc/os-release && printf 'os\t%s\n' "$PRETTY_NAME")
printf 'architecture\t%s\nkernel\t%s\n' "$(uname -m)" "$(uname -r)"
for file in /sys/module/*/version; do
  [ ! -r "$file" ] || { read -r version <"$file"; module=${file%/version}
    printf 'module %s\t%s\n' "${module##*/}" "$version"; }
done
! command -v rpm >/dev/null 2>&1 || rpm -qa --qf 'package %{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n'
! command -v dpkg-query >/dev/null 2>&1 || dpkg-query -W -f 'package ${Package}\t${Version}\n'
"""


def versions(host: Host) -> Mapping[str, str]:
    """Ask a connected host what it runs and has installed: `kernel`, `package efa` and so on to versions.

    Of a package that is there in several versions, as kernels are, all are named.

    Raises:
        HostError: the host could not be asked.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for line in host.run(_VERSIONS, timeout=_TIMEOUT).stdout.decode("utf-8", "replace").splitlines():
        name, tab, version = line.partition("\t")
        if tab:
            found[name].add(version)
    return {name: ", ".join(sorted(several)) for name, several in found.items()}
