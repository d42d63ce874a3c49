"""Blocks: some lines in a file whose other lines are somebody else's."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.query import Answer, Query, QueryKind, Replies
from amiforge.engine.resource import Change, Resource, State
from amiforge.errors import FactUnreadable, RecipeError
from amiforge.resources.file_state import AbsolutePath
from amiforge.resources.strict import STRICT
from amiforge.shell import script
from amiforge.systems.system import System

# Sets `first` and `last` to the numbers of a block's marker lines in the file "$1", 0 for none.
_FIND = r"""
find_block() {
  first=0 last=0 number=0
  [ -f "$1" ] || return 0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    if [ "$line" = "$2" ]; then first=$number; fi
    if [ "$line" = "$3" ] && [ "$first" -gt 0 ]; then last=$number; return 0; fi
  done <"$1"
}
"""

# Asked for path, first and last marker, with tabs in between.
_SCRIPT = rf"""{_FIND}
tab=$(printf '\t')
for item do
  path=${{item%%"$tab"*}} markers=${{item#*"$tab"}}
  find_block "$path" "${{markers%%"$tab"*}}" "${{markers#*"$tab"}}"
  if [ "$last" -gt 0 ]; then
    printf 'block '
    tail -n "+$((first + 1))" -- "$path" | head -n "$((last - first - 1))" | base64 -w 0
    echo
  elif [ "$first" -gt 0 ]; then echo open
  else echo none; fi
done
"""

# A new block goes to the end. What is before and after a block is copied as bytes, whatever they are.
_WRITE = rf"""{_FIND}
path=$1 text=$4
directory=${{path%/*}}
mkdir -p -- "${{directory:-/}}" || exit
path=$(readlink -m -- "$path") && directory=${{path%/*}} || exit
find_block "$path" "$2" "$3"
if [ "$first" -gt 0 ] && [ "$last" -eq 0 ]; then
  printf '%s: line %s begins a block that has no end: remove that line\n' "$path" "$first" >&2
  exit 1
fi
new=$(umask 077 && mktemp -- "$directory/.amiforge.XXXXXXXX") || exit
trap 'rm -f -- "$new"' EXIT
trap 'exit 143' HUP INT TERM PIPE
if [ "$last" -gt 0 ]; then
  head -n "$((first - 1))" -- "$path" >"$new" || exit
elif [ -e "$path" ]; then
  cat -- "$path" >"$new" || exit
  [ -z "$(tail -c 1 -- "$path")" ] || echo >>"$new" || exit
fi
if [ -n "$text" ]; then printf '%s\n%s%s\n' "$2" "$text" "$3" >>"$new" || exit; fi
if [ "$last" -gt 0 ]; then tail -n "+$((last + 1))" -- "$path" >>"$new" || exit; fi
if [ -e "$path" ]; then
  chown --reference="$path" -- "$new" && chmod --reference="$path" -- "$new" || exit
else
  chmod 0644 -- "$new" || exit
fi
mv -fT -- "$new" "$path" || exit
! command -v restorecon >/dev/null 2>&1 || restorecon -- "$path" >/dev/null 2>&1 || :
"""

_OPEN = "a beginning without an end"


def _parse(answer: Answer, items: Sequence[str]) -> Mapping[str, str | None]:
    rows = answer.text.splitlines()
    if len(rows) != len(items):
        raise FactUnreadable("the host's answer about blocks makes no sense", stdout=answer.text[-500:])
    return {item: _block(row) for item, row in zip(items, rows, strict=True)}


def _block(row: str) -> str | None:
    word, _, encoded = row.partition(" ")
    if word != "block":
        return _OPEN if word == "open" else None
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8", "backslashreplace")
    except binascii.Error as error:
        raise FactUnreadable(f"the host's answer about a block is {row!r}") from error


BLOCKS = QueryKind("blocks", _SCRIPT, _parse)


def _label(label: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_. -]*", label):
        raise RecipeError(f"{label!r} is no name for a block", fix="use letters, digits, spaces and . _ -")
    return label


def _lines(text: str) -> str:
    if not text or "\0" in text:
        raise RecipeError("a block has at least one line, and no NUL", fix="give its text, or present=False")
    return text if text.endswith("\n") else f"{text}\n"


def _comment(comment: str) -> str:
    if not re.fullmatch(r"[!-/:-@\[-`{-~]{1,4}", comment):
        raise RecipeError(f"{comment!r} begins no comment", fix='give "#", "//", ";" or the like')
    return comment


@dataclass(frozen=True, config=STRICT)
class Block(Resource):
    r"""Lines of ours in a file, between two comments that carry the block's name.

    Block("/etc/profile.d/nccl.sh", "libfabric", "export FI_PROVIDER=efa\n")

    Blocks of different names never touch each other, nor anything else in the file. A new one goes to the end.

    Attributes:
        path: the file; made when it is missing.
        label: name of the block, one of its kind in the file.
        text: its lines.
        comment: begins a comment in this sort of file.
        present: False for a block that must not be there; its text then counts for nothing.
    """

    path: AbsolutePath
    label: Annotated[str, AfterValidator(_label)]
    text: Annotated[str, AfterValidator(_lines)] = "\n"
    comment: Annotated[str, AfterValidator(_comment)] = "#"
    present: bool = True

    def __post_init__(self) -> None:
        marks = (f"{self.comment} >>> ", f"{self.comment} <<< ")
        if any(line.startswith(marks) for line in self.text.splitlines()):
            raise RecipeError(f"{self.name} holds a line that looks like a block's own comment", fix="change that line")

    @property
    def name(self) -> str:
        """`block libfabric in /etc/profile.d/nccl.sh`."""
        return f"block {self.label} in {self.path}"

    def queries(self, system: System) -> tuple[Query[str | None], ...]:
        """Ask what is between the two comments."""
        return (self._query,)

    def desired(self, system: System) -> State:
        """Want the text, or None for no block."""
        return {"text": self.text if self.present else None}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the text that is there."""
        return {"text": replies[self._query]}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Write the file with the block in it, or without it."""
        summary = f"{'write' if self.present else 'remove'} {self.name}"
        text = self.text if self.present else ""
        yield Change(summary, script(_WRITE, self.path, *self._markers, text, summary=summary))

    @property
    def _markers(self) -> tuple[str, str]:
        return f"{self.comment} >>> amiforge {self.label} >>>", f"{self.comment} <<< amiforge {self.label} <<<"

    @property
    def _query(self) -> Query[str | None]:
        return Query(BLOCKS, "\t".join((self.path, *self._markers)))
