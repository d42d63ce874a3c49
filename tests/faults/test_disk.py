"""File systems that are full, read-only or restricted: a named error or success, nothing half done, nothing left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amiforge.engine.apply import apply
from amiforge.errors import NoSpace, SudoRefused
from amiforge.resources.file import File
from amiforge.settings import EngineSettings
from tests.faults.amazon import amazon, listed, lock_is_free, login, root_only
from tests.sshd import Sshd
from tests.unit.engine.test_apply import Note, Notes

pytestmark = root_only
SETTINGS = EngineSettings(lock_wait=2, link_wait=5)
SMALL = "mount -t tmpfs -o size=2m tmpfs $at/place\necho old >$at/place/file\n"
FEW_INODES = "mount -t tmpfs -o nr_inodes=3 tmpfs $at/place\necho old >$at/place/file\ntouch $at/place/other\n"
READ_ONLY = "mount -t tmpfs tmpfs $at/place\necho old >$at/place/file\nmount -o remount,ro $at/place\n"
OWN_TMP = """
mkdir /run/kept
mount --bind $at /run/kept
mount -t tmpfs -o size=64k tmpfs /tmp
mkdir $at
mount --bind /run/kept $at
"""
BIG = "x" * 3 * 2**20


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def refused(server: Sshd, component: Notes) -> NoSpace:
    """Apply, expect that there is no room, and see that the lock is free afterwards."""
    with login(server) as host, within(15), pytest.raises(NoSpace) as error:
        apply(host, [component], settings=SETTINGS)
    time.sleep(0.2)
    assert lock_is_free(server)
    assert error.value.lines["fix"]
    assert error.value.lines["task"].startswith("notes, 1 of 1")
    return error.value


@pytest.mark.parametrize(
    ("setup", "content", "says", "left"),
    [
        pytest.param(SMALL, BIG, "bytes free", ["file"], marks=pytest.mark.fault("disk full")),
        pytest.param(FEW_INODES, "new", ", 0 of 3 inodes", ["file", "other"], marks=pytest.mark.fault("no inodes")),
        pytest.param(READ_ONLY, "new", "read-only", ["file"], marks=pytest.mark.fault("read-only")),
    ],
)
def test_file_that_cannot_be_written_stays_as_it_was(setup: str, content: str, says: str, left: list[str]) -> None:
    with amazon(setup) as server:
        place = server.path / "place"
        error = refused(server, Notes(File(str(place / "file"), content)))
        room = next(line for line in error.lines["room"].splitlines() if line.startswith(f"{place}:"))
        assert says in room
        assert listed(server, place) == left
        assert server.inside(f"cat {place}/file") == "old\n"


@pytest.mark.parametrize("job", [False, True])
@pytest.mark.fault("disk full")
def test_command_that_fills_the_disk_is_told_from_one_that_fails(job: bool) -> None:
    fill = 'head -c 3000000 /dev/zero >"$1"'
    with amazon(SMALL) as server:
        path = server.path / "place/filled"
        error = refused(server, Notes(Note(str(path), write=fill, job=job)))
        assert "No space left on device" in error.message
        assert f"{server.path}/place: 0 of 2097152 bytes free" in error.lines["room"]


@pytest.mark.fault("tmp full or restricted")
@pytest.mark.parametrize(
    "misbehave",
    [
        "head -c 70000 /dev/zero >/tmp/filled 2>/dev/null || :",
        "mount -o remount,noexec,nosuid /tmp",
        "mount -o remount,ro /tmp",
    ],
)
def test_tmp_that_cannot_be_used_is_not_needed(misbehave: str) -> None:
    with amazon(f"{OWN_TMP}{misbehave}\n") as server, login(server) as host:
        place = server.path / "place"
        wanted = Notes(File(str(place / "file"), "new"), Note(str(place / "note"), job=True))
        assert apply(host, [wanted], settings=SETTINGS).changed == 2
        assert apply(host, [wanted], settings=SETTINGS).changed == 0


@pytest.mark.fault("run full")
def test_run_without_room_for_the_lock_is_no_other_amiforge() -> None:
    with amazon("mount -o remount,size=64k /run\nhead -c 70000 /dev/zero >/run/filled 2>/dev/null || :\n") as server:
        with login(server) as host, within(10), pytest.raises(NoSpace, match="amiforge's lock") as error:
            apply(host, [Notes(Note(str(server.path / "place/note")))], settings=SETTINGS)
        assert "/run: 0 of" in error.value.lines["said"]
        assert error.value.lines["fix"]
        assert lock_is_free(server)


@pytest.mark.fault("run full")
def test_run_without_room_for_a_job_starts_no_half_of_it() -> None:
    """The job's script would be cut short in the middle of a word; what is left of it must not run."""
    with amazon("mount -o remount,size=128k /run\n") as server:
        place = server.path / "place"
        padding = "".join(f": {number:060d}\n" for number in range(4000))
        note = Note(str(place / "note"), write=f'touch "$1.begun"\n{padding}\nprintf %s "$2" >"$1"', job=True)
        error = refused(server, Notes(note))
        assert "/run: " in error.lines["room"]
        assert listed(server, place) == []
        assert listed(server, Path("/run/amiforge/jobs")) == []


@pytest.mark.fault("run full")
@pytest.mark.parametrize("status", [0, 42])
def test_job_whose_log_fills_run_keeps_its_exit_status(status: int) -> None:
    flood = f'head -c 3000000 /dev/zero | tr "\\0" x; printf %s "$2" >"$1"; exit {status}'
    with amazon("mount -o remount,size=1m /run\n") as server:
        note = Note(str(server.path / "place/note"), write=flood, job=True)
        if status:
            error = refused(server, Notes(note))
            assert "the log of the job" in error.message
            assert "exit 42" in error.lines["ran"]
            assert "/run: 0 of 1048576" in error.lines["room"]
            return
        with login(server) as host:
            assert apply(host, [Notes(note)], settings=SETTINGS).changed == 1
            assert apply(host, [Notes(note)], settings=SETTINGS).changed == 0


@pytest.mark.fault("sudo refuses")
def test_sudo_on_a_file_system_without_setuid_is_refused_at_once() -> None:
    nosuid = "mount --bind /usr/bin/sudo /usr/bin/sudo\nmount -o remount,bind,nosuid /usr/bin/sudo\n"
    with amazon(nosuid) as server, login(server) as host, within(3), pytest.raises(SudoRefused) as error:
        apply(host, [Notes(Note(str(server.path / "place/note")))], settings=SETTINGS)
    assert "nosuid" in error.value.lines["said"]
