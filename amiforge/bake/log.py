"""The event log of a run: every event as a line of JSON, for whoever wants to know later."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from amiforge.engine.events import Event, Listener


class EventLog:
    """A listener that writes every event down and hands it on."""

    def __init__(self, path: Path, listener: Listener) -> None:
        self._file = path.open("a")
        self._listener = listener

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):
            self._file.close()

    def __call__(self, event: Event) -> None:
        """Take down an event. A log that cannot be written costs nobody a bake, nor its clean-up."""
        with suppress(OSError):
            self._file.write(json.dumps(event.as_json(), default=str) + "\n")
            self._file.flush()
        self._listener(event)
