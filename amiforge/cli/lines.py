"""One line an event: plain text where there is no terminal, JSON for programs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import singledispatchmethod
from typing import TextIO

from amiforge.engine import events
from amiforge.engine.display import Lines
from amiforge.engine.events import Event


class JsonLines:
    """Writes each event as a JSON object on a line of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def see(self, event: Event) -> None:
        """Write one event, from any thread."""
        text = json.dumps(event.as_json(), default=str)
        with self._lock:
            print(text, file=self._stream, flush=True)


class PlainLines:
    """Writes what happened with the time since the first event, in a form that stays the same from run to run."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._began = 0.0
        self._lines = Lines()

    def see(self, event: Event) -> None:
        """Write one event, from any thread."""
        with self._lock:
            self._began = self._began or event.at
            for word, text in self._say(event):
                print(f"{event.at - self._began:8.1f}s  {word:<9} {text}".rstrip(), file=self._stream, flush=True)

    @singledispatchmethod
    def _say(self, event: Event) -> Iterator[tuple[str, str]]:
        yield from ()

    @_say.register
    def _(self, event: events.StepStarted) -> Iterator[tuple[str, str]]:
        yield "step", _with(event.step, event.detail)

    @_say.register
    def _(self, event: events.StepFinished) -> Iterator[tuple[str, str]]:
        yield "done", _with(f"{event.step} ({event.seconds:.1f} s)", event.detail)

    @_say.register
    def _(self, event: events.Waiting) -> Iterator[tuple[str, str]]:
        yield "waiting", _with(f"for {event.what} ({event.seconds:.0f} s)", event.detail)

    @_say.register
    def _(self, event: events.ApplyStarted) -> Iterator[tuple[str, str]]:
        yield "host", f"{event.host}: {event.system}, {len(event.tasks)} tasks, {event.resources} resources"

    @_say.register
    def _(self, event: events.TaskStarted) -> Iterator[tuple[str, str]]:
        yield "task", event.task

    @_say.register
    def _(self, event: events.TaskFinished) -> Iterator[tuple[str, str]]:
        yield "done", f"{event.task} ({event.seconds:.1f} s): {event.changed} changed"

    @_say.register
    def _(self, event: events.DownloadStarted) -> Iterator[tuple[str, str]]:
        yield "download", f"{event.task}: {event.summary}"

    @_say.register
    def _(self, event: events.ChangeStarted) -> Iterator[tuple[str, str]]:
        self._lines = Lines()
        yield "change", f"{event.task}: {event.summary}"

    @_say.register
    def _(self, event: events.JobOutput) -> Iterator[tuple[str, str]]:
        for line in self._lines.feed(event.text):
            yield "output", f"| {line}"

    @_say.register
    def _(self, event: events.ResourceFinished) -> Iterator[tuple[str, str]]:
        if event.status != "ok":
            yield event.status, f"{event.task}: {event.resource} ({event.seconds:.1f} s)"
        for key, (was, wanted) in event.differences.items():
            yield "", f"  {key}: {was} -> {wanted}"

    @_say.register
    def _(self, event: events.RebootStarted) -> Iterator[tuple[str, str]]:
        yield "reboot", f"{event.host}: {event.reason}"

    @_say.register
    def _(self, event: events.RebootFinished) -> Iterator[tuple[str, str]]:
        yield "back", f"{event.host} ({event.seconds:.1f} s): kernel {event.kernel}"

    @_say.register
    def _(self, event: events.LinkLost) -> Iterator[tuple[str, str]]:
        yield "link lost", f"{event.host}: {event.reason}; attaching again"

    @_say.register
    def _(self, event: events.ArtifactRecorded) -> Iterator[tuple[str, str]]:
        yield "recorded", f"{event.url} sha256 {event.sha256}"

    @_say.register
    def _(self, event: events.KeyRecorded) -> Iterator[tuple[str, str]]:
        yield "recorded", f"{event.url} key {event.fingerprint}"

    @_say.register
    def _(self, event: events.ApplyFinished) -> Iterator[tuple[str, str]]:
        yield (
            "applied",
            f"{event.host} ({event.seconds:.1f} s): {event.changed} changed, {event.ok} ok, {event.ran} ran",
        )

    @_say.register
    def _(self, event: events.CheckFinished) -> Iterator[tuple[str, str]]:
        yield event.outcome, _with(f"{event.task}: {event.title}", event.detail)

    @_say.register
    def _(self, event: events.HostVerified) -> Iterator[tuple[str, str]]:
        state, said = verdict(event)
        yield state, f"{event.host}: {said} ({event.seconds:.1f} s)"

    @_say.register
    def _(self, event: events.HookFailed) -> Iterator[tuple[str, str]]:
        yield "warning", f"{event.milestone}: {event.message}"
        for line in Lines().feed(event.lines.get("output", "") + "\n"):
            yield "output", f"| {line}"

    @_say.register
    def _(self, event: events.Failed) -> Iterator[tuple[str, str]]:
        yield "failed", event.message


def verdict(event: events.HostVerified) -> tuple[str, str]:
    """Give the state of one of several hosts in a word, and what is to be said of it."""
    state = "unknown" if event.error else "failed" if event.failed else "passed"
    return state, event.error or checked(event.passed, event.failed, event.skipped)


def checked(passed: int, failed: int, skipped: int) -> str:
    """Say how many checks ended how."""
    counts = {"passed": passed, "failed": failed, "skipped": skipped}
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "no checks"


def _with(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text
