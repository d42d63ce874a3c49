"""How much room a host's file systems have, for the error that says that there was none."""

from __future__ import annotations

import re

from amiforge.host.base import Host
from amiforge.shell import script

# A path that is not there yet belongs to the file system of what is above it.
_LOOK = r"""
for path do
  until [ -e "$path" ]; do path=${path%/*}; path=${path:-/}; done
  at=$(stat -c %m -- "$path") || continue
  while read -r _ _ _ _ mounted options _; do [ "$mounted" != "$at" ] || how=${options%%,*}; done </proc/self/mountinfo
  printf '%s %s %s\n' "$(stat -f -c '%a %b %S %d %c' -- "$path")" "$how" "$at"
done
"""

_PATH = re.compile(r"(?<![\w/.-])/[^\s'\"`:,;()\[\]]*")
#: Where programs write besides what they are asked to.
_USUAL = ("/", "/tmp", "/var", "/var/tmp", "/run", "/boot")  # noqa: S108 - looked at, not written to
_TIGHT_BYTES = 2**20


def look_for_room(host: Host, said: str) -> str:
    """Tell how full the file systems are of all paths that an error speaks of, and others that are full; one a line."""
    named = tuple(dict.fromkeys(_PATH.findall(said)))
    printed = host.run(script(_LOOK, *named, *_USUAL).text(), timeout=_TIMEOUT).stdout.decode("utf-8", "replace")
    rows = [row.split(" ", 6) for row in printed.splitlines()]
    lines = [_line(row) for place, row in enumerate(rows) if place < len(named) or _tight(row)]
    return "\n".join(dict.fromkeys(lines))


def _tight(row: list[str]) -> bool:
    available, blocks, size, inodes, _, how, _ = row
    full = int(blocks) > 0 and int(available) * int(size) < _TIGHT_BYTES
    return full or how == "ro" or (int(inodes) == 0 and int(row[4]) > 0)


def _line(row: list[str]) -> str:
    available, blocks, size, inodes, all_inodes, how, at = row
    free, total = int(available) * int(size), int(blocks) * int(size)
    return f"{at}: {free} of {total} bytes free, {inodes} of {all_inodes} inodes{', read-only' * (how == 'ro')}"


#: Seconds; a file system that hangs must not make the error hang.
_TIMEOUT = 10.0
