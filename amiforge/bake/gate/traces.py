"""Traces of the builder on a fresh instance: what the wipe should have removed, and files that know its keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from amiforge.bake.clean.areas import AREAS
from amiforge.bake.clean.text import table_script
from amiforge.bake.gate.statements import Statement
from amiforge.errors import FactUnreadable
from amiforge.host.base import Host
from amiforge.shell import script

# What is bigger is no file that a key is kept in; the wipe looks no further either.
_HOLDERS = r"""
find /etc /home /opt /root /srv /usr/local /usr/share /var -xdev -type f -size -16384k \
  -exec grep -laF -e "$1" -e "$2" {} + 2>/dev/null
printf 'end\n'
"""
_SHOWN = 10


def wiped(host: Host, timeout: float) -> Statement:
    """State that nothing is there that was wiped, and that no boot makes anew."""
    lasting = {area.name for area in AREAS if area.lasting}
    rows = [line.split("\t") for line in _lines(host, table_script("look"), timeout)]
    left = [": ".join(row) for row in rows if row[0] in lasting]
    return Statement("nothing is there that the wipe removed", "\n".join(left[:_SHOWN]))


def holders(host: Host, blobs: Sequence[str], timeout: float) -> Statement:
    """State that no file knows the builder's keys: the one that opened it, and the one that it showed."""
    user, host_key = blobs
    files = _lines(host, script(_HOLDERS, user, host_key).text(), timeout)
    return Statement("no file holds the builder's keys", ", ".join(list(files)[:_SHOWN]))


def _lines(host: Host, text: str, timeout: float) -> Iterator[str]:
    output = host.run(text, timeout=timeout)
    *lines, end = output.stdout.decode("utf-8", "replace").splitlines() or [""]
    if end.strip() != "end":
        said = output.stderr.decode("utf-8", "replace")[-1000:]
        raise FactUnreadable(f"{host.address} did not say what is on it", stderr=said)
    return iter(lines)
