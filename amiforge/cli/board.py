"""What a run looks like so far: a tree of rows that grows with its events. No output, no clock."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Literal

from amiforge.engine import events
from amiforge.engine.display import Lines
from amiforge.engine.events import Event

State = Literal["pending", "running", "done", "changed", "failed", "skipped", "note"]

TAIL_LINES = 6
#: The step that comes after everything, whatever was going on.
_CLEAN_UP = "clean up"


@dataclass
class Row:
    """One line of the tree and those below it. Times are seconds since the epoch.

    Attributes:
        detail: what is to be known of it for good.
        doing: what it is at right now; shown instead while it runs, and kept when it fails.
    """

    title: str
    state: State = "running"
    detail: str = ""
    doing: str = ""
    started: float | None = None
    seconds: float | None = None
    rows: list[Row] = field(default_factory=list)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))

    def close(self, state: State, seconds: float, detail: str = "") -> None:
        """Bring the row to its end."""
        self.state, self.seconds, self.detail, self.doing = state, seconds, detail, ""
        self.tail.clear()

    def running(self) -> Iterator[Row]:
        """Give this row and those below it that are running, outermost first."""
        if self.state == "running":
            yield self
            for row in self.rows:
                yield from row.running()


class Board:
    """The tree of one run. `see` is its listener."""

    def __init__(self, title: str, started: float) -> None:
        self.root = Row(title, started=started)
        self._apply: Row | None = None
        self._checks: Row | None = None
        self._counts: Counter[str] = Counter()
        self._whole = True
        self._lines = Lines()

    @singledispatchmethod
    def see(self, event: Event) -> None:
        """Grow the tree by one event; those it does not know change nothing."""

    @see.register
    def _(self, event: events.StepStarted) -> None:
        if event.step == _CLEAN_UP:
            self._end_steps(event.at)
        self._open.rows.append(Row(event.step, detail=event.detail, started=event.at))
        self._checks = None

    @see.register
    def _(self, event: events.StepFinished) -> None:
        row = self._newest(lambda row: row.title == event.step)
        if row:
            row.close("done", event.seconds, event.detail)
        self._checks = None

    @see.register
    def _(self, event: events.Waiting) -> None:
        self._open.doing = f"waiting for {event.what}" + (f": {event.detail}" if event.detail else "")

    @see.register
    def _(self, event: events.ApplyStarted) -> None:
        self._open.doing = ""
        if self._apply is None:  # after a reboot the same apply starts over, and its rows stay
            self._apply = Row(event.host, started=event.at, rows=[Row(task, state="pending") for task in event.tasks])
            self._open.rows.append(self._apply)
        self._apply.detail = f"{event.system}, {event.resources} resources"

    @see.register
    def _(self, event: events.TaskStarted) -> None:
        row = self._task(event.task)
        if row.state == "pending":
            row.state, row.started = "running", event.at

    @see.register
    def _(self, event: events.TaskFinished) -> None:
        row = self._task(event.task)
        if row.state == "running":
            seconds = event.at - (row.started or event.at)
            row.close(
                "changed" if event.changed else "done", seconds, f"{event.changed} changed" if event.changed else ""
            )

    @see.register
    def _(self, event: events.ChangeStarted) -> None:
        row = self._task(event.task)
        row.doing = event.summary
        row.tail.clear()
        self._lines = Lines()

    @see.register
    def _(self, event: events.JobOutput) -> None:
        self._task(event.task).tail.extend(self._lines.feed(event.text))

    @see.register
    def _(self, event: events.ResourceFinished) -> None:
        row = self._task(event.task)
        row.doing = ""
        row.tail.clear()

    @see.register
    def _(self, event: events.RebootStarted) -> None:
        self._checks = None
        self._open.rows.append(Row("reboot", detail=event.reason, started=event.at))

    @see.register
    def _(self, event: events.RebootFinished) -> None:
        row = self._newest(lambda row: row.title == "reboot")
        if row:
            row.close("done", event.seconds, f"{row.detail}, now on kernel {event.kernel}".removeprefix(", "))

    @see.register
    def _(self, event: events.LinkLost) -> None:
        self._open.rows.append(Row("link lost", state="note", detail=f"{event.reason}; attaching again"))

    @see.register
    def _(self, event: events.ArtifactRecorded) -> None:
        self._open.rows.append(Row("recorded", state="note", detail=f"{event.url} sha256 {event.sha256[:12]}…"))

    @see.register
    def _(self, event: events.KeyRecorded) -> None:
        self._open.rows.append(Row("recorded", state="note", detail=f"{event.url} key {event.fingerprint}"))

    @see.register
    def _(self, event: events.ApplyFinished) -> None:
        if self._apply:
            ran = f", {event.ran} ran" if event.ran else ""
            self._apply.close("done", event.seconds, f"{event.changed} changed, {event.ok} ok{ran}")
            self._apply = None

    @see.register
    def _(self, event: events.CheckFinished) -> None:
        self._open.doing = ""
        if self._checks is None:
            self._whole, self._counts = self._open is self.root, Counter()
            self._checks = Row("checks", state="note")
            self._open.rows.append(self._checks)
        self._counts[event.outcome] += 1
        self._checks.detail = ", ".join(f"{count} {outcome}" for outcome, count in self._counts.items())
        # Within a bake, dozens that are as they should be would bury everything else.
        if self._whole or event.outcome == "failed":
            self._checks.rows.append(_check(event))

    @see.register
    def _(self, event: events.Failed) -> None:
        self.finish("failed", event.at)

    def finish(self, state: State, at: float) -> None:
        """Bring every row that still runs to this end."""
        for row in list(self.root.running()):
            _leave(row, state, at)

    def _end_steps(self, at: float) -> None:
        """Bring what still runs below the title to its end: nobody goes on with it."""
        for row in [each for top in self.root.rows for each in top.running()]:
            _leave(row, "failed", at)

    @property
    def _open(self) -> Row:
        """The innermost row that runs, where what happens next belongs."""
        return list(self.root.running())[-1] if self.root.state == "running" else self.root

    def _newest(self, wanted: Callable[[Row], bool]) -> Row | None:
        return next((row for row in reversed(list(self.root.running())) if wanted(row)), None)

    def _task(self, name: str) -> Row:
        parent = self._apply or self.root
        for row in parent.rows:
            if row.title == name:
                return row
        parent.rows.append(Row(name))
        return parent.rows[-1]


def _check(event: events.CheckFinished) -> Row:
    outcome: State = {"passed": "done", "failed": "failed", "skipped": "skipped"}[event.outcome]  # type: ignore[assignment]
    return Row(f"{event.task}: {event.title}", state=outcome, detail=event.detail if outcome != "done" else "")


def _leave(row: Row, state: State, at: float) -> None:
    """Bring a row to an end that nobody told of."""
    row.close(state, at - row.started if row.started is not None else 0, row.doing or row.detail)
