from __future__ import annotations

import pytest

from amiforge.cli.board import Board, Row
from amiforge.engine.events import (
    ApplyFinished,
    ApplyStarted,
    ArtifactRecorded,
    ChangeStarted,
    CheckFinished,
    Event,
    Failed,
    JobOutput,
    KeyRecorded,
    LinkLost,
    RebootFinished,
    RebootStarted,
    ResourceFinished,
    StepFinished,
    StepStarted,
    TaskFinished,
    TaskStarted,
    Waiting,
)

START = ApplyStarted(at=10, host="h", system="al2023 x86_64", tasks=("packages", "efa"), resources=3)


def board(*events: Event) -> Board:
    shown = Board("bake", 1)
    for event in events:
        shown.see(event)
    return shown


def outline(row: Row) -> list[object]:
    return [row.title, row.state, *(outline(below) for below in row.rows)]


def test_steps_follow_each_other_and_nest_while_open() -> None:
    shown = board(
        StepStarted(at=2, step="launch"),
        Waiting(at=3, what="i-1", seconds=1, detail="pending"),
        StepFinished(at=4, step="launch", seconds=2, detail="i-1"),
        StepStarted(at=5, step="provision"),
        START,
    )
    launch, provision = shown.root.rows
    assert (launch.state, launch.detail, launch.seconds) == ("done", "i-1", 2)
    assert outline(provision) == ["provision", "running", ["h", "running", ["packages", "pending"], ["efa", "pending"]]]


def test_waiting_shows_at_the_innermost_open_row() -> None:
    shown = board(StepStarted(step="launch"), Waiting(what="i-1", seconds=1, detail="pending"))
    assert shown.root.rows[0].doing == "waiting for i-1: pending"


def test_a_task_shows_its_change_and_the_last_lines_of_its_output() -> None:
    shown = board(
        START,
        TaskStarted(at=11, task="efa"),
        ChangeStarted(task="efa", resource="r", summary="install efa", command="c"),
        *(JobOutput(task="efa", resource="r", text=f"line {n}\nli") for n in range(9)),
    )
    efa = shown.root.rows[0].rows[1]
    assert (efa.state, efa.doing) == ("running", "install efa")
    assert list(efa.tail) == ["liline 3", "liline 4", "liline 5", "liline 6", "liline 7", "liline 8"]


def test_a_finished_resource_clears_what_was_shown_of_it() -> None:
    shown = board(
        START,
        TaskStarted(at=11, task="efa"),
        ChangeStarted(task="efa", resource="r", summary="install efa", command="c"),
        JobOutput(task="efa", resource="r", text="line\n"),
        ResourceFinished(task="efa", resource="r", status="changed"),
    )
    efa = shown.root.rows[0].rows[1]
    assert (efa.doing, list(efa.tail)) == ("", [])


def test_tasks_that_changed_something_differ_from_those_that_did_not() -> None:
    shown = board(
        START,
        TaskStarted(at=11, task="packages"),
        TaskFinished(at=12, task="packages", seconds=1, changed=2),
        TaskStarted(at=12, task="efa"),
        TaskFinished(at=15, task="efa", seconds=3, changed=0),
        ApplyFinished(at=15, host="h", seconds=5, ok=1, changed=2, ran=1),
    )
    apply = shown.root.rows[0]
    assert [(row.state, row.detail, row.seconds) for row in apply.rows] == [
        ("changed", "2 changed", 1),
        ("done", "", 3),
    ]
    assert (apply.state, apply.detail) == ("done", "2 changed, 1 ok, 1 ran")


def test_an_apply_that_starts_over_after_a_reboot_keeps_its_rows_and_times() -> None:
    shown = board(
        START,
        TaskStarted(at=11, task="packages"),
        TaskFinished(at=12, task="packages", seconds=1, changed=2),
        TaskStarted(at=12, task="efa"),
        RebootStarted(at=13, host="h", reason="new kernel"),
        RebootFinished(at=33, host="h", seconds=20, kernel="6.12"),
        ApplyStarted(at=33, host="h", system="al2023", tasks=("packages", "efa"), resources=3),
        TaskStarted(at=33, task="packages"),
        TaskFinished(at=33, task="packages", seconds=0, changed=0),
        TaskStarted(at=33, task="efa"),
        TaskFinished(at=40, task="efa", seconds=7, changed=1),
    )
    assert outline(shown.root) == [
        "bake",
        "running",
        ["h", "running", ["packages", "changed"], ["efa", "changed", ["reboot", "done"]]],
    ]
    packages, efa = shown.root.rows[0].rows
    assert (packages.seconds, efa.seconds) == (1, 28)
    assert efa.rows[0].detail == "new kernel, now on kernel 6.12"


def test_link_losses_and_recorded_downloads_are_noted_where_they_happen() -> None:
    shown = board(
        START,
        TaskStarted(task="efa"),
        LinkLost(host="h", reason="silence"),
        ArtifactRecorded(url="https://a/b", sha256="0123456789abcdef"),
        KeyRecorded(url="https://a/key", fingerprint="AB"),
    )
    notes = shown.root.rows[0].rows[1].rows
    assert [(row.title, row.detail) for row in notes] == [
        ("link lost", "silence; attaching again"),
        ("recorded", "https://a/b sha256 0123456789ab…"),
        ("recorded", "https://a/key key AB"),
    ]


CHECKS = (
    CheckFinished(task="efa", title="installed", outcome="passed"),
    CheckFinished(task="efa", title="version", outcome="failed", detail="is 1"),
    CheckFinished(task="efa", title="device", outcome="skipped", detail="no device"),
)


def rows_of(row: Row) -> list[tuple[str, str, str]]:
    return [(each.title, each.state, each.detail) for each in row.rows]


def test_a_step_counts_its_checks_pass_by_pass_and_names_those_that_failed() -> None:
    reboot = RebootStarted(at=1, host="h", reason="twice"), RebootFinished(at=2, host="h", seconds=1, kernel="6")
    shown = board(StepStarted(step="verify"), *CHECKS, *reboot, CHECKS[0], StepFinished(step="verify", seconds=1))
    first, _, second = shown.root.rows[0].rows
    assert (first.detail, second.detail) == ("1 passed, 1 failed, 1 skipped", "1 passed")
    assert (rows_of(first), rows_of(second)) == ([("efa: version", "failed", "is 1")], [])


def test_checks_that_belong_to_no_step_are_all_named() -> None:
    assert rows_of(board(*CHECKS).root.rows[0]) == [
        ("efa: installed", "done", ""),
        ("efa: version", "failed", "is 1"),
        ("efa: device", "skipped", "no device"),
    ]


@pytest.mark.parametrize("end", [Failed(at=20, message="no"), None])
def test_a_failure_ends_every_row_that_runs(end: Event | None) -> None:
    shown = board(StepStarted(at=2, step="provision"), START, TaskStarted(at=11, task="packages"))
    if end:
        shown.see(end)
    else:
        shown.finish("failed", 20)
    tree = ["provision", "failed", ["h", "failed", ["packages", "failed"], ["efa", "pending"]]]
    assert outline(shown.root) == ["bake", "failed", tree]
    assert shown.root.rows[0].seconds == 18


def test_a_failed_row_keeps_what_it_was_at_and_forgets_waits_that_are_over() -> None:
    shown = board(
        StepStarted(at=2, step="provision"),
        Waiting(at=3, what="ssh", seconds=1),
        START,
        TaskStarted(at=11, task="efa"),
        ChangeStarted(task="efa", resource="r", summary="install efa", command="c"),
        Failed(at=20, message="no"),
    )
    provision = shown.root.rows[0]
    assert (provision.detail, provision.rows[0].rows[1].detail) == ("", "install efa")


def test_events_without_their_beginning_do_no_harm() -> None:
    shown = board(
        StepFinished(step="never begun", seconds=1),
        RebootFinished(host="h", seconds=1, kernel="k"),
        ApplyFinished(host="h", seconds=1, ok=0, changed=0, ran=0),
        TaskFinished(task="late", seconds=1, changed=0),
        Failed(message="no"),
        StepStarted(step="after the end"),
    )
    assert [row.title for row in shown.root.rows] == ["late", "after the end"]


def test_cleaning_up_is_no_part_of_what_was_going_on() -> None:
    board = Board("bake", 0)
    board.see(StepStarted(at=1, step="provision"))
    board.see(ApplyStarted(at=2, host="h", system="s", tasks=("efa",), resources=1))
    board.see(RebootStarted(at=3, host="h", reason="kernel"))
    board.see(StepStarted(at=5, step="clean up"))
    assert [(row.title, row.state, row.seconds) for row in board.root.rows] == [
        ("provision", "failed", 4),
        ("clean up", "running", None),
    ]
