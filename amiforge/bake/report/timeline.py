"""How the time of a run was spent, as rows of spans: what worked, what waited and for what, what ran beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import singledispatchmethod
from types import MappingProxyType
from typing import Literal

from amiforge.bake.report.record import Process, Record
from amiforge.engine import events
from amiforge.engine.events import Event

Kind = Literal["work", "wait", "reboot", "download", "failed"]
End = Literal["done", "failed", "parked"]
#: How a step says that an earlier process took it.
_FOUND = "found"
#: What becomes of a row that has no end, by the outcome of its process; of all other outcomes it failed.
_LEFT: Mapping[str, End] = MappingProxyType({"baked": "done", "verified": "done", "parked": "parked", "": "parked"})
#: How many of the longest waits are named.
_LONGEST = 5


@dataclass(slots=True)
class Span:
    """A stretch of time, in seconds since the epoch, and what it was spent on."""

    start: float
    end: float
    kind: Kind
    what: str = ""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start


@dataclass(slots=True)
class Row:
    """A step, or below it a task, a reboot or a download that ran beside the others; `level` says how deep."""

    title: str
    level: int
    spans: list[Span] = field(default_factory=list)
    detail: str = ""
    state: Literal["running"] | End = "running"

    @property
    def seconds(self) -> float:
        """From its beginning to its end, gaps left out."""
        return sum(span.seconds for span in self.spans if span.kind != "wait")

    @property
    def waited(self) -> float:
        """How much of that was waiting."""
        waits = sorted((span.start, span.end) for span in self.spans if span.kind == "wait")
        total, until = 0.0, 0.0
        for start, end in waits:
            total += max(0.0, end - max(start, until))
            until = max(until, end)
        return min(total, self.seconds)


@dataclass(frozen=True, slots=True)
class Part:
    """What one process did, and how many steps it found done already."""

    process: Process
    rows: tuple[Row, ...]
    found: int


def timeline(record: Record) -> tuple[Part, ...]:
    """Give what each process of a run did."""
    return tuple(_part(process, _heard(process, record.events)) for process in record.processes)


def longest_waits(parts: Sequence[Part]) -> list[tuple[str, float]]:
    """Give what was waited for longest, and for how long, in seconds; nothing that took less than a second."""
    waited: dict[str, float] = {}
    for span in (span for part in parts for row in part.rows for span in row.spans if span.kind == "wait"):
        waited[span.what] = waited.get(span.what, 0.0) + span.seconds
    return sorted((each for each in waited.items() if each[1] >= 1), key=lambda each: -each[1])[:_LONGEST]


def _heard(process: Process, heard: Sequence[Event]) -> list[Event]:
    return [event for event in heard if process.started - 1 <= event.at <= process.ended]


def _part(process: Process, heard: Sequence[Event]) -> Part:
    chart = Chart()
    for event in heard:
        chart.see(event)
    chart.close(process.ended, process.outcome)
    return Part(process, tuple(chart.rows), chart.found)


class Chart:
    """The rows of one process. `see` takes its events in order."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.found = 0
        self._step: Row | None = None
        self._task: Row | None = None
        self._changing: tuple[str, str] | None = None
        self._waits: dict[str, Span] = {}
        self._downloads: dict[tuple[str, str], Row] = {}

    @singledispatchmethod
    def see(self, event: Event) -> None:
        """Take in an event; those of other kinds only end a wait."""
        self._end_waits(event.at)

    @see.register
    def _(self, event: events.StepStarted) -> None:
        self._end_waits(event.at)
        self._step = self._open(event.step, 0, event.at, "work")

    @see.register
    def _(self, event: events.StepFinished) -> None:
        self._end_waits(event.at)
        row = self._step
        self._step = None
        if row and event.detail == _FOUND:
            self.found += 1
            self.rows.remove(row)
        elif row:
            row.detail = event.detail
            _finish(row, event.at)

    @see.register
    def _(self, event: events.Waiting) -> None:
        # What has waited for no time at all only says what goes on.
        if not self._step or not event.seconds:
            return
        start = max(event.at - event.seconds, self._step.spans[0].start)
        wait = self._waits.get(event.what)
        if wait is None:
            self._end_waits(start)
            wait = self._waits[event.what] = Span(start, event.at, "wait", event.what)
            self._step.spans.append(wait)
        wait.end = max(event.at, wait.end)

    @see.register
    def _(self, event: events.TaskStarted) -> None:
        self._end_waits(event.at)
        known = self._newest(lambda row: row.level == 1 and row.title == event.task)
        if known and known.state == "running":
            known.spans.append(Span(event.at, event.at, "work"))
        self._task = known or self._open(event.task, 1, event.at, "work")

    @see.register
    def _(self, event: events.TaskFinished) -> None:
        self._end_waits(event.at)
        row = self._newest(lambda row: row.level == 1 and row.title == event.task)
        if row:
            row.detail = f"{event.changed} changed" if event.changed else ""
            _finish(row, event.at)
        self._task = None

    @see.register
    def _(self, event: events.DownloadStarted) -> None:
        key = event.task, event.resource
        known = self._downloads.get(key)
        if known is None or known.state != "running":
            self._downloads[key] = self._open(event.summary, 2, event.at, "download")

    @see.register
    def _(self, event: events.ChangeStarted) -> None:
        self._end_waits(event.at)
        self._end_download(event.at)
        self._changing = event.task, event.resource

    @see.register
    def _(self, event: events.ResourceFinished) -> None:
        self._end_waits(event.at)
        self._end_download(event.at)

    @see.register
    def _(self, event: events.RebootStarted) -> None:
        self._end_waits(event.at)
        self._end_task_span(event.at)
        self._open("reboot", 1, event.at, "reboot").detail = event.reason

    @see.register
    def _(self, event: events.RebootFinished) -> None:
        self._end_waits(event.at)
        row = self._newest(lambda row: row.title == "reboot" and row.state == "running")
        if row:
            _finish(row, event.at)

    def close(self, at: float, outcome: str) -> None:
        """Bring what still runs to its end: it is what the process failed at, or was parked at."""
        state: End = _LEFT.get(outcome, "failed")
        self._end_waits(at)
        for row in self.rows:
            if row.state == "running" and row.spans[-1].kind != "download":
                until = at if row is self._step else max(row.spans[-1].end, self._left_at(row, at))
                _finish(row, until)
                row.state = state
            elif row.state == "running":
                _finish(row, at)

    def _left_at(self, row: Row, at: float) -> float:
        """When a row was left behind: the next step's beginning, or the end."""
        later = self.rows[self.rows.index(row) + 1 :]
        return next((each.spans[0].start for each in later if each.level == 0), at)

    def _open(self, title: str, level: int, at: float, kind: Kind) -> Row:
        row = Row(title, level, [Span(at, at, kind)])
        self.rows.append(row)
        return row

    def _newest(self, wanted: Callable[[Row], bool]) -> Row | None:
        return next((row for row in reversed(self.rows) if wanted(row)), None)

    def _end_waits(self, at: float) -> None:
        """End the wait that was heard of last; the others ended when nothing more was heard of them."""
        if self._waits:
            last = max(self._waits.values(), key=lambda wait: wait.end)
            last.end = max(last.end, at)
        self._waits.clear()

    def _end_task_span(self, at: float) -> None:
        if self._task and self._task.state == "running":
            self._task.spans[-1].end = at
        self._task = None

    def _end_download(self, at: float) -> None:
        """A download counts as done when what followed it began: its own end is not heard of."""
        row = self._downloads.get(self._changing) if self._changing else None
        if row and row.state == "running":
            _finish(row, at)
        self._changing = None


def _finish(row: Row, at: float) -> None:
    span = next(each for each in reversed(row.spans) if each.kind != "wait")
    span.end = max(span.start, at)
    row.state = "done"
