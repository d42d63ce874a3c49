"""Locks of package managers, held by others, really: waited for with the holder's name, or given up in time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amiforge.engine.apply import apply
from amiforge.engine.events import Event, JobOutput
from amiforge.errors import LockTimeout, NoSpace
from amiforge.settings import EngineSettings
from tests.faults.amazon import amazon, listed, lock_is_free, login, root_only
from tests.sshd import Sshd
from tests.unit.engine.test_apply import Note, Notes

pytestmark = root_only

SETUP = "mount -t tmpfs tmpfs /var/lib/dpkg\nmount -t tmpfs tmpfs /var/lib/rpm\nmkdir -p /var/lib/dnf\n"
#: dpkg, apt and rpm hold record locks, others flock the same files, and dnf and yum write down who they are.
HOLDERS = {
    "/var/lib/dpkg/lock-frontend": f"exec {sys.executable} -c '"
    'import fcntl, sys, time; f = open(sys.argv[1], "w"); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(float(sys.argv[2]))'
    "' FILE SECONDS",
    "/var/lib/rpm/.rpm.lock": "exec flock FILE sleep SECONDS",
    "/run/yum.pid": "echo $$ >FILE; exec sleep SECONDS",
}


@contextmanager
def held(server: Sshd, path: str, seconds: float, how: str = "") -> Iterator[None]:
    """Hold a lock from another session for a while."""
    command = (how or HOLDERS[path]).replace("FILE", path).replace("SECONDS", f"{seconds:g}")
    with subprocess.Popen(server.entering(command)) as holder:
        time.sleep(0.3)
        yield
        holder.kill()


@pytest.mark.fault("package manager's lock held for a while")
@pytest.mark.parametrize("path", HOLDERS)
def test_lock_that_becomes_free_is_waited_for_and_its_holder_named(path: str) -> None:
    heard: list[Event] = []
    with amazon(SETUP) as server, login(server) as host:
        note = Note(str(server.path / "place/note"), job=True, locks=(path,))
        started = time.monotonic()
        with held(server, path, 2):
            report = apply(host, [Notes(note)], listener=heard.append, settings=EngineSettings(lock_wait=20))
        assert 1 < time.monotonic() - started < 8
        assert report.changed == 1
    printed = "".join(event.text for event in heard if isinstance(event, JobOutput))
    assert f"waiting for {path}, held by " in printed
    assert "(pid " in printed


@pytest.mark.fault("package manager's lock held for ever")
@pytest.mark.parametrize("path", HOLDERS)
def test_lock_held_for_ever_is_given_up_at_the_limit_and_its_holder_named(path: str) -> None:
    with amazon(SETUP) as server, login(server) as host:
        note = Note(str(server.path / "place/note"), job=True, locks=(path,))
        started = time.monotonic()
        holder = r"held by (python\S*|sleep|flock) \(pid \d+\) for over 1 s"
        with held(server, path, 4321), pytest.raises(LockTimeout, match=holder) as error:
            apply(host, [Notes(note)], settings=EngineSettings(lock_wait=1))
        assert 1 < time.monotonic() - started < 8
        assert {"fix", "task", "output"} <= set(error.value.lines)
        assert listed(server, server.path / "place") == []
        time.sleep(0.2)
        assert lock_is_free(server)


@pytest.mark.fault("package manager's lock held for ever")
def test_lock_of_another_file_system_with_the_same_inode_is_no_lock_of_ours() -> None:
    other = "mount -t tmpfs tmpfs $at/place\nfor n in 1 2 3 4 5 6 7 8 9; do : >$at/place/$n; done\n"
    with amazon(f"{SETUP}{other}: >/var/lib/rpm/.rpm.lock") as server, login(server) as host:
        inode = server.inside("stat -c %i /var/lib/rpm/.rpm.lock").strip()
        twin = server.inside(f"find {server.path}/place -inum {inode}").strip()
        assert twin
        note = Note(str(server.path / "note"), job=True, locks=("/var/lib/rpm/.rpm.lock",))
        with held(server, twin, 4321, "exec flock FILE sleep SECONDS"):
            assert apply(host, [Notes(note)], settings=EngineSettings(lock_wait=2)).changed == 1


@pytest.mark.fault("package manager's lock held for a while")
def test_package_manager_that_loses_the_race_is_run_again() -> None:
    lose = (
        'n=$(cat "$1.n" 2>/dev/null || echo 0); echo $((n + 1)) >"$1.n"\n'
        "[ \"$n\" -ge 1 ] || { echo 'E: Could not get lock /var/lib/dpkg/lock-frontend' >&2; exit 100; }\n"
        'printf %s "$2" >"$1"'
    )
    with amazon() as server, login(server) as host:
        place = server.path / "place"
        note = Note(str(place / "note"), write=lose, job=True)
        assert apply(host, [Notes(note)], settings=EngineSettings(lock_wait=20)).changed == 1
        assert Path(place / "note.n").read_text() == "2\n"


@pytest.mark.fault("read-only")
def test_read_only_root_is_no_lost_race() -> None:
    """dpkg says both in one breath, and would be run again until the patience for locks is over."""
    said = (
        "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (30: Read-only file system)\n"
        "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?"
    )
    with amazon() as server, login(server) as host:
        note = Note(str(server.path / "place/note"), write=f"echo '{said}' >&2; exit 100", job=True)
        started = time.monotonic()
        with pytest.raises(NoSpace, match="Read-only file system"):
            apply(host, [Notes(note)], settings=EngineSettings(lock_wait=30))
        assert time.monotonic() - started < 5
