from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from amiforge.bake.report.chart import Scale
from amiforge.bake.report.record import Record
from amiforge.bake.report.timeline import Part, Row, longest_waits, timeline
from amiforge.engine import events
from amiforge.engine.events import Event
from tests.unit.bake.report.runs import START, first, line, write


def step(title: str, start: float, end: float | None, *inside: Event, detail: str = "") -> list[Event]:
    begun = [events.StepStarted(at=START + start, step=title), *inside]
    if end is None:
        return begun
    return [*begun, events.StepFinished(at=START + end, step=title, seconds=end - start, detail=detail)]


def wait(after: float, what: str, seconds: float) -> Event:
    return events.Waiting(at=START + after, what=what, seconds=seconds)


def change(after: float, resource: str, summary: str = "change it") -> Event:
    return events.ChangeStarted(at=START + after, task="t", resource=resource, summary=summary, command="c")


def parts(folder: Path, heard: Sequence[Event], *lines: dict[str, object]) -> tuple[Part, ...]:
    ended = lines or (line(100, "ended", outcome="baked", image="ami-1"),)
    return timeline(Record.of(write(folder, [first(), *ended], heard)))


def one(folder: Path, *heard: Event) -> dict[str, Row]:
    (part,) = parts(folder, heard)
    return {row.title: row for row in part.rows}


@pytest.mark.parametrize(
    ("heard", "waited", "said"),
    [
        pytest.param([wait(4, "a", 2), wait(6, "a", 4)], 8, {"a": 8}, id="from when it began to what ended it"),
        pytest.param([wait(4, "a", 2), wait(6, "b", 1)], 8, {"a": 3, "b": 5}, id="one after the other"),
        pytest.param([wait(4, "a", 2), wait(5, "b", 3), wait(8, "b", 6)], 8, {"a": 2, "b": 8}, id="both at once"),
        pytest.param([wait(4, "a", 0), wait(6, "a", 0)], 0, {}, id="what took no time is a word on progress"),
        pytest.param([wait(4, "a", 300)], 10, {"a": 10}, id="not from before the step"),
    ],
)
def test_waiting_is_told_apart_from_working(
    tmp_path: Path, heard: list[Event], waited: float, said: dict[str, float]
) -> None:
    found = parts(tmp_path, step("launch", 0, 10, *heard))
    row = found[0].rows[0]
    assert (row.seconds, row.waited) == pytest.approx((10, waited))
    assert dict(longest_waits(found)) == pytest.approx(said)


def test_a_task_that_a_reboot_cuts_in_two_has_two_spans(tmp_path: Path) -> None:
    heard = [
        events.TaskStarted(at=START + 1, task="t"),
        events.RebootStarted(at=START + 3, host="h", reason="kernel"),
        events.RebootFinished(at=START + 7, host="h", seconds=4, kernel="6"),
        events.TaskStarted(at=START + 8, task="t"),
        events.TaskFinished(at=START + 9, task="t", seconds=1, changed=2),
    ]
    rows = one(tmp_path, *step("provision", 0, 10, *heard))
    assert [(span.start - START, span.end - START) for span in rows["t"].spans] == [(1, 3), (8, 9)]
    assert (rows["t"].seconds, rows["t"].detail) == (3, "2 changed")
    assert (rows["reboot"].seconds, rows["reboot"].spans[0].kind) == (4, "reboot")


def test_downloads_go_on_beside_each_other_until_what_follows_them(tmp_path: Path) -> None:
    heard = [
        *(events.DownloadStarted(at=START + 1, task="t", resource=name, summary=f"get {name}") for name in "ab"),
        events.TaskStarted(at=START + 2, task="t"),
        change(3, "a"),
        change(5, "a", "unpack it"),
        events.ResourceFinished(at=START + 6, task="t", resource="a", status="changed"),
        change(7, "b"),
        events.ResourceFinished(at=START + 9, task="t", resource="b", status="changed"),
        events.TaskFinished(at=START + 9, task="t", seconds=7, changed=2),
    ]
    rows = one(tmp_path, *step("provision", 0, 10, *heard))
    assert [(rows[name].seconds, rows[name].level) for name in ("get a", "get b")] == [(4, 2), (8, 2)]


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("failed", "failed"), ("kept", "failed"), ("unpublished", "failed"), ("parked", "parked"), ("", "parked")],
)
def test_what_a_process_did_not_end_shows_what_became_of_it(tmp_path: Path, outcome: str, state: str) -> None:
    heard = step("provision", 0, None, events.TaskStarted(at=START + 2, task="t"))
    cleaned = step("clean up", 8, 9)
    ended = line(12, "ended", outcome=outcome) if outcome else line(12, "finished", step="x")
    (part,) = parts(tmp_path, [*heard, *cleaned], ended)
    assert [(row.title, row.state, row.seconds) for row in part.rows] == [
        ("provision", state, 8),
        ("t", state, 6),
        ("clean up", "done", 1),
    ]


def test_processes_of_a_resumed_run_lie_side_by_side_without_what_is_between_them(tmp_path: Path) -> None:
    heard = [*step("a", 0, 10), *step("a", 5000, 5000, detail="found"), *step("b", 5000, 5030)]
    lines = [
        line(10, "ended", outcome="parked"),
        line(5000, "resumed", expires="", host="other"),
        line(5030, "ended", outcome="baked"),
    ]
    found = parts(tmp_path, heard, *lines)
    assert [(part.process.host, part.found, [row.title for row in part.rows]) for part in found] == [
        ("build-3", 0, ["a"]),
        ("other", 1, ["b"]),
    ]
    scale = Scale(found)
    (before,), (after,) = (scale.bars(number, part.rows[0]) for number, part in enumerate(found))
    assert scale.seconds == 40
    assert (before.left, before.width, after.left, after.width) == pytest.approx((0, 24.5, 26.5, 73.5))
    assert scale.breaks() == [25.5]
    assert [mark.label for mark in scale.marks()] == ["0", "5.0 s", "0", "5.0 s", "10 s", "15 s", "20 s", "25 s"]


def test_what_took_no_time_is_seen_all_the_same(tmp_path: Path) -> None:
    found = parts(tmp_path, [*step("a", 0, 100), *step("b", 100, 100)])
    (bar,) = Scale(found).bars(0, found[0].rows[1])
    assert (bar.width > 0, bar.left + bar.width <= 100) == (True, True)
