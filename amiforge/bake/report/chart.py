"""Where on a page the spans of a timeline lie: in percent of its width, the gaps between processes left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from amiforge.bake.report.timeline import Part, Row, Span
from amiforge.engine.display import clock

#: Percent of the width between two processes.
_GAP = 2.0
#: Percent that the shortest span takes, so that it is seen.
_LEAST = 0.25
#: Seconds between two marks of the axis.
_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400)
_MOST_MARKS = 8


@dataclass(frozen=True, slots=True)
class Bar:
    """A span as it is drawn; `left` and `width` in percent."""

    left: float
    width: float
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark of the axis."""

    left: float
    label: str


class Scale:
    """Maps times to places: one process beside the other, each as wide as it took long."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._starts = [part.process.started for part in parts]
        self._spans = [max(part.process.ended - part.process.started, 0.001) for part in parts]
        room = 100 - _GAP * max(len(parts) - 1, 0)
        self.seconds = sum(self._spans)
        self._percent = room / self.seconds if parts else 0.0
        widths = [span * self._percent + _GAP for span in self._spans]
        self._lefts = [0.0, *accumulate(widths)][: len(parts)]

    def place(self, part: int, at: float) -> float:
        """Give where a time of a process is."""
        inside = min(max(at - self._starts[part], 0), self._spans[part])
        return self._lefts[part] + inside * self._percent

    def bars(self, part: int, row: Row) -> list[Bar]:
        """Give a row's bars; waits are drawn over what waits."""
        spans = sorted(row.spans, key=lambda span: span.kind == "wait")
        return [self._bar(part, span, failed=row.state == "failed" and span is spans[0]) for span in spans]

    def marks(self) -> list[Mark]:
        """Give the axis: times since each process began."""
        step = next((each for each in _STEPS if self.seconds / each <= _MOST_MARKS), _STEPS[-1])
        return [
            Mark(round(self.place(part, start + at), 2), clock(at) if at else "0")
            for part, (start, span) in enumerate(zip(self._starts, self._spans, strict=True))
            for at in range(0, min(int(span) + 1, step * 50), step)
            if not at or at < span - step / 4
        ]

    def breaks(self) -> list[float]:
        """Give where one process ends and the next begins."""
        return [round(left - _GAP / 2, 2) for left in self._lefts[1:]]

    def _bar(self, part: int, span: Span, *, failed: bool) -> Bar:
        left, right = self.place(part, span.start), self.place(part, span.end)
        width = max(right - left, _LEAST)
        kind = "failed" if failed and span.kind == "work" else span.kind
        what = {"wait": f"waiting for {span.what}", "work": "working"}.get(span.kind, span.kind)
        return Bar(round(min(left, 100 - width), 2), round(width, 2), kind, f"{what}, {clock(span.seconds)}")
