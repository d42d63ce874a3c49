"""We are told to go, or just killed, at any time; and two of us want the same host."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from amiforge.engine.apply import apply
from amiforge.engine.events import ChangeStarted, Event
from amiforge.errors import HostBusy
from tests.faults.amazon import amazon, listed, lock_is_free, login, root_only
from tests.faults.interrupted import wanted
from tests.sshd import Sshd
from tests.unit.engine.test_apply import Note, Notes

pytestmark = root_only
INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)


def within(seconds: float, happens: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not happens() and time.monotonic() < deadline:
        time.sleep(0.05)
    return happens()


def interrupt(server: Sshd, number: signal.Signals, after: float) -> tuple[int, str]:
    """Start an apply in a process of its own and signal it; gives its exit status and what it said."""
    command = [sys.executable, "-m", "tests.faults.interrupted", str(server.port), str(server.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ApplyStarted\n"
        time.sleep(after)
        process.send_signal(number)
        started = time.monotonic()
        _, said = process.communicate(timeout=10)
        assert time.monotonic() - started < 5
        return process.returncode, said


@pytest.mark.fault("interrupted at any time")
@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(4, 80))])
def test_whoever_is_told_to_go_leaves_nothing_but_a_job_that_the_next_one_follows(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - to be the same every time
    number, after = SIGNALS[seed % len(SIGNALS)], dice.uniform(0, 2.2)
    with amazon() as server:
        place = server.path / "place"
        status, said = interrupt(server, number, after)
        if number == signal.SIGKILL:
            assert status == -number
        else:
            assert (status, "interrupted" in said) == (INTERRUPTED, True)
            assert "Traceback" not in said
        assert within(3, lambda: lock_is_free(server))
        assert not [name for name in listed(server, place) if name.startswith(".amiforge")]
        beats = server.inside(f"cat {place}/quick.beat 2>/dev/null || :")
        time.sleep(0.15)
        assert server.inside(f"cat {place}/quick.beat 2>/dev/null || :") == beats, "the quick command goes on"
        with login(server) as host:
            apply(host, [wanted(place)])
            assert apply(host, [wanted(place)]).changed == 0
        assert (place / "job.begun").read_text() == "begun\n"
        assert listed(server, server.path / "place") == ["file", "job", "job.begun", "quick", "quick.beat"]


@pytest.mark.fault("two amiforges on one host")
def test_second_amiforge_says_who_holds_the_host_since_when_and_touches_nothing() -> None:
    with amazon() as server, login(server) as first, login(server) as second:
        place = server.path / "place"
        working = threading.Event()

        def listen(event: Event) -> None:
            if isinstance(event, ChangeStarted):
                working.set()

        slow = Notes(Note(str(place / "slow"), write='sleep 5; printf %s "$2" >"$1"', job=True))
        thread = threading.Thread(target=apply, args=(first, [slow]), kwargs={"listener": listen})
        thread.start()
        assert working.wait(10)
        started = time.monotonic()
        with pytest.raises(HostBusy, match="in use by another amiforge") as busy:
            apply(second, [Notes(Note(str(place / "other")))])
        assert time.monotonic() - started < 6
        holder = busy.value.lines["holder"]
        assert "(pid " in holder
        assert " since 2" in holder
        assert "wait for the other one" in busy.value.lines["fix"]
        thread.join()
        assert listed(server, place) == ["slow"]
        assert within(2, lambda: lock_is_free(server))
        assert apply(second, [Notes(Note(str(place / "other")))]).changed == 1
