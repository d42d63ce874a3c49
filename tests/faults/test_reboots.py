"""Reboots, asked for and not: a machine that goes, stays, comes back, or comes back twice; and an sshd that is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from amiforge.engine.apply import apply
from amiforge.engine.events import Event, JobOutput, LinkLost, RebootFinished, RebootStarted
from amiforge.engine.resource import Change
from amiforge.errors import AmiforgeError, NotComingBack, NotGoingDown, UnexpectedReboot, Unreachable
from amiforge.settings import EngineSettings
from amiforge.systems.system import System
from tests.faults.amazon import amazon, lock_is_free, login, root_only
from tests.sshd import Sshd
from tests.unit.engine.test_apply import Note, Notes

pytestmark = root_only
SETTINGS = EngineSettings(link_wait=20, going_down=2, coming_back=15, settle=5)
IMPATIENT = SETTINGS.model_copy(update={"coming_back": 3})
COUNT = 'for i in 1 2 3 4 5 6 7 8; do echo "line $i"; sleep 0.2; done; printf %s "$2" >"$1"'
PRINTED = "".join(f"line {number}\n" for number in range(1, 9))


@dataclass(frozen=True)
class Booted(Note):
    """A note that only a boot writes."""

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        yield Change("the boot has not written its note", reboot=True)


@contextmanager
def powered(on_reboot: Callable[[Sshd], None]) -> Iterator[Sshd]:
    """Give a server on which `reboot` has something done to it from outside."""
    with amazon(programs={"reboot": ": >$at/told"}) as server:
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.05):
                if (server.path / "told").exists():
                    (server.path / "told").unlink()
                    on_reboot(server)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield server
        finally:
            done.set()
            watcher.join()


def boots(server: Sshd) -> None:
    (server.path / "place/booted").write_text("hello")
    server.reboot(0.5)


def boots_twice(server: Sshd) -> None:
    """Restart sshd once more after somebody has logged in, as images do whose first boot ends late."""
    before = server.connections
    boots(server)
    while server.connections == before:
        time.sleep(0.02)
    server.go_away()
    time.sleep(1)
    server.come_back()


def tasks(server: Sshd) -> list[Notes]:
    place = server.path / "place"
    return [Notes(Booted(str(place / "booted")), Note(str(place / "after"), after=str(place / "booted")))]


@pytest.mark.parametrize(
    "on_reboot",
    [
        pytest.param(boots, marks=pytest.mark.fault("reboot asked for")),
        pytest.param(boots_twice, marks=pytest.mark.fault("sshd comes up and goes again")),
    ],
)
def test_machine_comes_back_with_another_boot_id_and_work_goes_on(on_reboot: Callable[[Sshd], None]) -> None:
    heard: list[Event] = []
    with powered(on_reboot) as server, login(server) as host:
        before = server.boot_id
        report = apply(host, tasks(server), listener=heard.append, settings=SETTINGS)
        assert report.system.boot_id == server.boot_id != before
        assert {result.resource: result.status for result in report.results} == {
            "note booted": "ok",
            "note after": "changed",
        }
        assert [type(event) for event in heard if isinstance(event, RebootStarted | RebootFinished)] == [
            RebootStarted,
            RebootFinished,
        ]


@pytest.mark.parametrize(
    ("on_reboot", "settings", "error", "says"),
    [
        pytest.param(
            lambda _server: None, SETTINGS, NotGoingDown, "fix", marks=pytest.mark.fault("reboot that does not happen")
        ),
        pytest.param(Sshd.stop, IMPATIENT, NotComingBack, "last", marks=pytest.mark.fault("machine stays away")),
    ],
)
def test_machine_that_does_not_reboot_is_given_up_in_time(
    on_reboot: Callable[[Sshd], None], settings: EngineSettings, error: type[AmiforgeError], says: str
) -> None:
    with powered(on_reboot) as server, login(server) as host:
        started = time.monotonic()
        with pytest.raises(error) as refused:
            apply(host, tasks(server), settings=settings)
        assert time.monotonic() - started < 8
        assert {"fix", says} <= set(refused.value.lines)
        assert refused.value.lines["reason"] == "the boot has not written its note"


@pytest.mark.fault("reboot nobody asked for")
@pytest.mark.parametrize("job", [True, False])
def test_reboot_under_a_task_names_it_and_the_next_apply_finishes(job: bool) -> None:
    with amazon() as server, login(server) as host:
        note = Note(str(server.path / "place/note"), write=COUNT, job=job)
        reboot = threading.Timer(1, server.reboot, (0.5,))
        reboot.start()
        with pytest.raises(UnexpectedReboot, match="rebooted while it was working") as error:
            apply(host, [Notes(note)], settings=SETTINGS)
        reboot.join()
        assert error.value.lines["task"].startswith("notes, 1 of 1")
        assert "apply again" in error.value.lines["fix"]
        time.sleep(0.3)
        assert lock_is_free(server)
        assert apply(host, [Notes(note)], settings=SETTINGS).changed == 1


@pytest.mark.fault("sshd away under a job")
@pytest.mark.parametrize("seconds", [2, pytest.param(30, marks=pytest.mark.nightly)])
def test_job_goes_on_while_sshd_is_away_and_is_followed_again(seconds: int) -> None:
    heard: list[Event] = []
    settings = SETTINGS if seconds < 20 else EngineSettings()
    with amazon() as server, login(server) as host:
        note = Note(str(server.path / "place/note"), write=COUNT, job=True)

        def be_away() -> None:
            time.sleep(0.7)
            server.go_away()
            time.sleep(seconds)
            server.come_back()

        away = threading.Thread(target=be_away)
        away.start()
        started = time.monotonic()
        assert apply(host, [Notes(note)], listener=heard.append, settings=settings).changed == 1
        assert seconds < time.monotonic() - started < seconds + 5
        away.join()
        assert "".join(event.text for event in heard if isinstance(event, JobOutput)) == PRINTED
        assert sum(isinstance(event, LinkLost) for event in heard) == 1


@pytest.mark.fault("sshd away under a job")
def test_sshd_that_stays_away_is_given_up_and_says_since_when() -> None:
    with amazon() as server, login(server) as host:
        note = Note(str(server.path / "place/note"), write=COUNT, job=True)
        away = threading.Timer(0.7, server.go_away)
        away.start()
        started = time.monotonic()
        with pytest.raises(Unreachable) as error:
            apply(host, [Notes(note)], settings=EngineSettings(link_wait=2))
        assert time.monotonic() - started < 6
        assert {"fix", "since", "task"} <= set(error.value.lines)
        away.join()
