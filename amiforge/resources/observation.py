"""Small read-only commands whose answer is a fact: an installed version, the proof that something is done."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amiforge.engine.query import Answer, Query, QueryKind
from amiforge.errors import FactUnreadable
from amiforge.shell import Command, script

# Each runs in a subshell of its own; what it prints travels encoded, so that nothing in it looks like the next one.
_SCRIPT = r"""
for command do
  output=$( (eval "$command") </dev/null 2>/dev/null)
  printf '%s ' "$?"
  printf %s "$output" | base64 -w 0
  echo
done
"""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a command ended with and printed, without line ends at its end."""

    status: int
    text: str


def _parse(answer: Answer, commands: Sequence[str]) -> Mapping[str, Observation]:
    rows = answer.text.splitlines()
    if len(rows) != len(commands):
        raise FactUnreadable(
            f"{len(commands)} observations gave {len(rows)} answers", stderr=answer.stderr.decode("utf-8", "replace")
        )
    return {command: _observation(row) for command, row in zip(commands, rows, strict=True)}


def _observation(row: str) -> Observation:
    status, _, encoded = row.partition(" ")
    try:
        return Observation(int(status), base64.b64decode(encoded, validate=True).decode("utf-8", "replace"))
    except (ValueError, binascii.Error) as error:
        raise FactUnreadable(f"an observation answers {row!r}") from error


OBSERVATIONS = QueryKind("observations", _SCRIPT, _parse)


def observe(command: Command | str) -> Query[Observation]:
    """Give the question what a read-only command says; sh text without arguments may be given as it is."""
    return Query(OBSERVATIONS, (script(command) if isinstance(command, str) else command).text())
