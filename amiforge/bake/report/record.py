"""What a run wrote down, read for people: whatever is missing or not understood is passed over."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from amiforge.bake.history import History
from amiforge.bake.journal import NAME, read
from amiforge.engine.events import Event


@dataclass(frozen=True, slots=True)
class Process:
    """One process that worked on a run. Times are seconds since the epoch; `ended` is the last that is known of it."""

    started: float
    ended: float
    host: str
    version: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that a run wrote.

    Attributes:
        history: the run, as its journal tells it.
        lines: the journal.
        events: the event log, as far as it is understood.
        manifest: the manifest, empty when there is none.
    """

    history: History
    lines: tuple[Mapping[str, Any], ...]
    events: tuple[Event, ...]
    manifest: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read a run's folder.

        Raises:
            ConfigError: there is no journal in it, or it is not understood.
        """
        history = History.of(folder)
        return cls(history, tuple(read(folder / NAME)), tuple(_events(folder)), _manifest(folder))

    @property
    def outcome(self) -> str:
        """What became of it: an outcome of `History`, or `baking`, `died` when no process came to its end."""
        return self.history.outcome or self.history.status

    @property
    def processes(self) -> tuple[Process, ...]:
        """Every process that worked on it, in order."""
        begun = [at for at, line in enumerate(self.lines) if line["kind"] in {"run", "resumed"}]
        return tuple(self._process(start, end) for start, end in zip(begun, [*begun[1:], len(self.lines)], strict=True))

    @property
    def known(self) -> Mapping[str, Any]:
        """What its steps found out."""
        return {name: value for about in self.history.known for name, value in about.items()}

    def _process(self, start: int, end: int) -> Process:
        first, last = self.lines[start], self.lines[end - 1]
        following = self.lines[end]["at"] if end < len(self.lines) else math.inf
        heard = [event.at for event in self.events if first["at"] <= event.at < following]
        ended = next((line for line in self.lines[start:end] if line["kind"] == "ended"), {})
        return Process(
            started=first["at"],
            ended=max([last["at"], *heard]),
            host=str(first.get("host", "")),
            version=str(first.get("amiforge", "")),
            outcome=str(ended.get("outcome", "")),
            reason=str(ended.get("reason", "")),
        )


@cache
def _adapters() -> Mapping[str, TypeAdapter[Event]]:
    """Give what reads each kind of event, by its name in the log."""
    return MappingProxyType({kind.__name__: TypeAdapter(kind) for kind in Event.__subclasses__()})


def _events(folder: Path) -> Iterator[Event]:
    path = folder / "events.jsonl"
    adapters = _adapters()
    for line in path.read_text(errors="replace").split("\n") if path.exists() else ():
        with suppress(ValueError, TypeError, AttributeError, RecursionError, ValidationError):
            told = json.loads(line)
            event = adapters[str(told.pop("event"))].validate_python(told) if told.get("event") in adapters else None
            if event and math.isfinite(event.at):
                yield event


def _manifest(folder: Path) -> Mapping[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads((folder / "manifest.json").read_text(errors="replace"))
        if isinstance(found, dict):
            return found
    return {}
