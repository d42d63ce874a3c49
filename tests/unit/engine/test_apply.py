"""Plan and apply against a real shell: what converges, what does not, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from amiforge.engine.apply import apply, plan
from amiforge.engine.events import ChangeStarted, Event, JobOutput, LinkLost, ResourceFinished
from amiforge.engine.query import Answer, Query, QueryKind, Replies
from amiforge.engine.resource import Change, Resource, State, Unknown
from amiforge.errors import CommandFailed, CommandTimedOut, HostBusy, LockTimeout, NotConverged, RecipeError
from amiforge.settings import EngineSettings
from amiforge.shell import Secret, argv, script
from amiforge.systems.system import System
from tests.realhost import MappedHost

pytestmark = pytest.mark.shell

QUICK = EngineSettings(lock_wait=1, link_wait=5)


def _contents(answer: Answer, items: Sequence[str]) -> Mapping[str, str | None]:
    lines = answer.text.splitlines()
    return {item: line[1:] if line.startswith("=") else None for item, line in zip(items, lines, strict=True)}


CONTENT = QueryKind(
    "contents",
    'for path do if [ -e "$path" ]; then printf "=%s\\n" "$(cat -- "$path")"; else echo none; fi; done',
    _contents,
)


@dataclass(frozen=True)
class Note(Resource):
    """A file with one line in it, written by a given command."""

    path: str
    line: str = "hello"
    write: str = 'printf %s "$2" >"$1"'
    job: bool = False
    locks: tuple[str, ...] = ()
    after: str = ""

    @property
    def name(self) -> str:
        return f"note {Path(self.path).name}"

    def queries(self, system: System) -> Iterable[Query[str | None]]:
        return [Query(CONTENT, path) for path in (self.path, self.after) if path]

    def desired(self, system: System) -> State:
        return {"line": self.line}

    def actual(self, replies: Replies, system: System) -> State:
        if self.after and replies[Query(CONTENT, self.after)] is None:
            raise Unknown(f"{self.after} is not there yet")
        return {"line": replies[Query(CONTENT, self.path)]}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        command = script(self.write, self.path, self.line)
        yield Change(f"write {self.path}", command, job=self.job, locks=self.locks)


@dataclass(frozen=True)
class Contained(Note):
    """A note that nobody else can see."""

    contained = True
    exclusive = True


@dataclass(frozen=True)
class Unprovable(Note):
    """A note that nobody can ask about."""

    provable = False


class Notes:
    """A component of notes."""

    def __init__(self, *notes: Resource) -> None:
        self.notes = notes

    @classmethod
    def name(cls) -> str:
        return "notes"

    def require(self, system: System) -> None:
        """It exists everywhere."""

    def resources(self, system: System) -> Iterator[Resource]:
        yield from self.notes


@pytest.fixture
def host(tmp_path: Path) -> MappedHost:
    return MappedHost(tmp_path)


def test_a_plan_names_each_difference_and_writes_nothing(host: MappedHost, tmp_path: Path) -> None:
    path = str(tmp_path / "a")
    planned = plan(host, [Notes(Note(path))])
    [item] = planned.pending
    assert [(d.key, d.actual, d.desired) for d in item.differences] == [("line", None, "hello")]
    assert item.item.where.startswith("engine/test_apply.py:")
    assert not Path(path).exists()
    assert (host.connections, len(host.scripts)) == (1, 2)


def test_an_apply_converges_and_a_second_one_finds_nothing_to_do(host: MappedHost, tmp_path: Path) -> None:
    notes = Notes(*(Note(str(tmp_path / name)) for name in "abcde"))
    assert apply(host, [notes]).changed == 5
    host.scripts.clear()
    host.connections = 0
    report = apply(host, [notes])
    assert (report.changed, report.count("ok")) == (0, 5)
    assert (host.connections, len(host.scripts)) == (1, 2)


@pytest.mark.parametrize(("kind", "sessions"), [(Note, 2 + 5), (Contained, 2 + 5)])
def test_k_changes_cost_k_sessions_more(host: MappedHost, tmp_path: Path, kind: type[Note], sessions: int) -> None:
    apply(host, [Notes(*(kind(str(tmp_path / name)) for name in "abcde"))])
    assert len(host.scripts) == sessions


def test_drift_of_one_resource_is_all_that_a_plan_names(host: MappedHost, tmp_path: Path) -> None:
    notes = Notes(*(Note(str(tmp_path / name)) for name in "abc"))
    apply(host, [notes])
    (tmp_path / "b").write_text("drifted")
    [pending] = plan(host, [notes]).pending
    assert pending.item.resource.name == "note b"
    assert [(d.key, d.actual) for d in pending.differences] == [("line", "drifted")]


def test_a_command_that_says_yes_and_does_nothing_is_not_converged(host: MappedHost, tmp_path: Path) -> None:
    with pytest.raises(NotConverged) as caught:
        apply(host, [Notes(Note(str(tmp_path / "a"), write="true"))])
    assert "wanted 'hello', still None" in caught.value.block()


def test_a_failing_installer_says_what_ran_where_and_what_it_printed(host: MappedHost, tmp_path: Path) -> None:
    failing = Note(str(tmp_path / "a"), write="echo fetching; echo 'No match for argument: jq' >&2; exit 3", job=True)
    with pytest.raises(CommandFailed) as caught:
        apply(host, [Notes(failing)])
    block = caught.value.block()
    assert caught.value.exit_status == 1
    for text in ("failed with exit status 3", "fetching", "No match for argument: jq", "check name", "test_apply.py:"):
        assert text in block


def test_a_job_streams_its_output_and_leaves_nothing_behind(host: MappedHost, tmp_path: Path) -> None:
    events: list[Event] = []
    note = Note(str(tmp_path / "a"), write='echo one; sleep 0.3; echo two; printf %s "$2" >"$1"', job=True)
    apply(host, [Notes(note)], listener=events.append)
    assert "".join(event.text for event in events if isinstance(event, JobOutput)) == "one\ntwo\n"
    assert list((tmp_path / "run" / "jobs").iterdir()) == []
    assert not (tmp_path / "run" / "lock").exists()


def test_a_job_that_is_out_of_time_is_ended_with_all_it_started(host: MappedHost, tmp_path: Path) -> None:
    class Slow(Note):
        def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
            yield Change("wait", script('echo begun; sleep 1.5; : >"$1"', self.path), job=True, timeout=0.5)

    with pytest.raises(CommandTimedOut, match=r"wait did not end within 0\.5 s") as caught:
        apply(host, [Notes(Slow(str(tmp_path / "a")))])
    assert caught.value.lines["output"] == "begun"
    time.sleep(1.5)
    assert not (tmp_path / "a").exists()


def test_output_cut_in_the_middle_of_a_letter_is_whole_again(host: MappedHost, tmp_path: Path) -> None:
    events: list[Event] = []
    write = 'printf "\\303"; sleep 0.5; printf "\\244\\n"; printf %s "$2" >"$1"'
    apply(host, [Notes(Note(str(tmp_path / "a"), write=write, job=True))], listener=events.append)
    assert "".join(event.text for event in events if isinstance(event, JobOutput)) == "ä\n"


def test_a_cut_link_does_not_stop_a_job_nor_change_its_exit_status(host: MappedHost, tmp_path: Path) -> None:
    events: list[Event] = []
    count = 'for i in 1 2 3 4 5; do echo "line $i"; sleep 0.2; done; printf %s "$2" >"$1"; exit 7'
    host.cut_after = 8
    with pytest.raises(CommandFailed, match="exit status 7"):
        apply(host, [Notes(Note(str(tmp_path / "a"), write=count, job=True))], listener=events.append, settings=QUICK)
    printed = "".join(event.text for event in events if isinstance(event, JobOutput))
    assert printed == "".join(f"line {number}\n" for number in range(1, 6))
    assert any(isinstance(event, LinkLost) for event in events)
    assert (tmp_path / "a").read_text() == "hello"


def test_downloads_start_before_anything_else_and_are_waited_for_at_their_turn(
    host: MappedHost, tmp_path: Path
) -> None:
    class Download(Note):
        def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
            yield Change("fetch", script(self.write, self.path, self.line), job=True, prefetch=True, timeout=10)

    late = str(tmp_path / "late")
    waiting = (
        'for i in 1 2 3 4 5 6 7 8 9; do [ ! -e "${1%first}late" ] || break; sleep 0.2; done; [ -e "${1%first}late" ]'
    )
    first = Note(str(tmp_path / "first"), write=f'{waiting} && printf %s "$2" >"$1"', job=True)
    assert apply(host, [Notes(first, Download(late))]).changed == 2


def test_what_depends_on_an_earlier_change_is_unknown_in_a_plan_and_asked_again_in_an_apply(
    host: MappedHost, tmp_path: Path
) -> None:
    first, second = str(tmp_path / "a"), str(tmp_path / "b")
    notes = Notes(Note(first), Note(second, after=first))
    assert [item.unknown for item in plan(host, [notes]).items] == ["", f"{first} is not there yet"]
    assert apply(host, [notes]).changed == 2


def test_what_stays_unknown_at_its_turn_is_an_error(host: MappedHost, tmp_path: Path) -> None:
    with pytest.raises(NotConverged, match="not there yet"):
        apply(host, [Notes(Note(str(tmp_path / "b"), after=str(tmp_path / "never")))])


def test_an_earlier_change_that_undoes_a_later_resource_is_noticed(host: MappedHost, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("hello")
    spoiling = Note(str(tmp_path / "a"), write='printf %s "$2" >"$1"; printf spoilt >"${1%a}b"')
    assert apply(host, [Notes(spoiling, Note(str(tmp_path / "b")))]).changed == 2
    assert (tmp_path / "b").read_text() == "hello"


def test_what_nobody_can_ask_about_ran_and_never_is_ok(host: MappedHost, tmp_path: Path) -> None:
    events: list[Event] = []
    report = apply(host, [Notes(Unprovable(str(tmp_path / "a")))], listener=events.append)
    assert (report.count("ran"), report.count("ok"), report.changed) == (1, 0, 1)
    assert [event.status for event in events if isinstance(event, ResourceFinished)] == ["ran"]


def test_two_resources_that_want_different_things_of_one_path_are_refused(host: MappedHost, tmp_path: Path) -> None:
    path = str(tmp_path / "a")
    with pytest.raises(RecipeError, match="two resources own note a"):
        plan(host, [Notes(Contained(path, "one"), Contained(path, "two"))])


def test_a_second_apply_on_the_same_host_says_who_holds_it_and_since_when(host: MappedHost, tmp_path: Path) -> None:
    class Nested(Notes):
        def resources(self, system: System) -> Iterator[Resource]:
            with pytest.raises(HostBusy) as caught:
                apply(MappedHost(tmp_path), [Notes()])
            assert " since " in caught.value.block()
            yield from self.notes

    assert apply(host, [Nested(Note(str(tmp_path / "a")))]).changed == 1


def test_a_lock_that_stays_held_ends_in_a_timeout_that_names_the_holder(host: MappedHost, tmp_path: Path) -> None:
    lock = tmp_path / "manager.pid"
    lock.write_text("1\n")
    note = Note(str(tmp_path / "a"), job=True, locks=(str(lock),))
    with pytest.raises(LockTimeout, match=r"is held by .* \(pid 1\)"):
        apply(host, [Notes(note)], settings=QUICK)
    assert not (tmp_path / "a").exists()


def test_a_secret_is_in_no_event(host: MappedHost, tmp_path: Path) -> None:
    class Keeping(Note):
        def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
            yield Change("keep it", script(self.write, self.path, self.line, Secret("hunter2")))

    events: list[Event] = []
    apply(host, [Notes(Keeping(str(tmp_path / "a")))], listener=events.append)
    commands = [event.command for event in events if isinstance(event, ChangeStarted)]
    assert commands
    assert "hunter2" not in repr(events)


def test_argument_lists_need_no_quoting(host: MappedHost, tmp_path: Path) -> None:
    class Copied(Note):
        def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
            yield Change("copy", argv("cp", "--", str(tmp_path / "-source"), self.path))

    (tmp_path / "-source").write_text("hello")
    assert apply(host, [Notes(Copied(str(tmp_path / "it's $(odd)")))]).changed == 1
