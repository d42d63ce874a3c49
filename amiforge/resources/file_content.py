"""What files hold, in full: for small files that are read before they are changed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

from amiforge.engine.query import Answer, Query, QueryKind
from amiforge.errors import FactUnreadable

_SCRIPT = r"""
for path do
  if [ ! -f "$path" ]; then echo absent; continue; fi
  printf 'file '
  base64 -w 0 -- "$path" || exit
  echo
done
"""


def _parse(answer: Answer, paths: Sequence[str]) -> Mapping[str, bytes | None]:
    rows = answer.text.splitlines()
    if len(rows) != len(paths) or answer.status != 0:
        raise FactUnreadable(
            f"the host does not say what {', '.join(paths)} holds", stderr=answer.stderr.decode("utf-8", "replace")
        )
    return {path: _content(row) for path, row in zip(paths, rows, strict=True)}


def _content(row: str) -> bytes | None:
    if row == "absent":
        return None
    word, _, encoded = row.partition(" ")
    try:
        if word == "file":
            return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise FactUnreadable(f"the host's answer about a file is {row[:80]!r}")


CONTENTS = QueryKind("file contents", _SCRIPT, _parse)


def content_of(path: str) -> Query[bytes | None]:
    """Give the question what a file holds: its bytes, or None where there is no file. Links are followed."""
    return Query(CONTENTS, path)
