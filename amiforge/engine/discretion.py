"""Events with every secret masked."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TypeVar

from amiforge.engine.events import (
    ArtifactRecorded,
    Event,
    JobOutput,
    KeyRecorded,
    LinkLost,
    Listener,
    Waiting,
)
from amiforge.redaction import Redaction, Stream

E = TypeVar("E", bound=Event)

#: Our own words, of which others make decisions; what a host or a recipe says is in none of them.
_OUR_WORDS = ("at", "status", "outcome", "seconds")
#: What happens while a job goes on, and does not end its output.
_MEANWHILE = (Waiting, LinkLost, ArtifactRecorded, KeyRecorded)


class Discreet:
    """A listener that hands every event on with every secret masked, also one that a job prints in pieces."""

    def __init__(self, listener: Listener, redaction: Redaction) -> None:
        self._listener = listener
        self._redaction = redaction
        self._outputs: dict[tuple[str, str], Stream] = {}
        self._lock = threading.RLock()

    def __call__(self, event: Event) -> None:
        """Take one event, from any thread."""
        with self._lock:
            if isinstance(event, JobOutput):
                output = self._outputs.setdefault((event.task, event.resource), self._redaction.stream())
                self._tell(event, output.feed(event.text))
                return
            if not isinstance(event, _MEANWHILE):
                self._end_outputs()
            self._listener(masked(event, self._redaction))

    def _end_outputs(self) -> None:
        for (task, resource), output in self._outputs.items():
            self._tell(JobOutput(task=task, resource=resource, text=""), output.flush())
        self._outputs.clear()

    def _tell(self, event: JobOutput, text: str) -> None:
        if text:
            self._listener(masked(replace(event, text=text), self._redaction))


def masked(event: E, redaction: Redaction) -> E:
    """Give an event with every secret masked."""
    words: Iterable[str] = (field.name for field in fields(event) if field.name not in _OUR_WORDS)
    return replace(event, **{word: redaction.data(getattr(event, word)) for word in words})
