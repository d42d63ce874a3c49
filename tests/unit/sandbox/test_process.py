from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from pathlib import Path

import pytest

from amiforge.sandbox.process import Process, locked


def this_process() -> Process:
    process = Process.of(os.getpid())
    assert process
    return process


def test_this_process_is_alive_and_a_pid_file_brings_it_back(tmp_path: Path) -> None:
    path = tmp_path / "run" / "self.pid"
    this_process().write(path)
    again = Process.read(path)
    assert again == this_process()
    assert again.alive


def test_self_means_the_caller() -> None:
    assert Process.of("self") == this_process()


def test_reused_pid_is_neither_alive_nor_signalled() -> None:
    stranger = Process(os.getpid(), this_process().started - 1)
    assert not stranger.alive
    assert not stranger.signal(signal.SIGKILL)
    assert stranger.wait(timeout=10)


@pytest.mark.parametrize("text", ["", "12", "12 x", "1 2 3"])
def test_torn_pid_file_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    assert Process.read(tmp_path / "pid") is None


def test_missing_pid_file_names_nobody(tmp_path: Path) -> None:
    assert Process.read(tmp_path / "none") is None


@pytest.mark.subprocesses
def test_signal_ends_a_process_and_a_zombie_counts_as_dead() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        process = Process.of(child.pid)
        assert process
        assert process.alive
        assert not process.wait(timeout=0.01)
        assert process.signal(signal.SIGTERM)
        assert process.wait(timeout=10)
        assert child.returncode is None  # not reaped yet: a zombie
        assert not process.alive
        assert not process.signal(signal.SIGTERM)
    assert Process.of(child.pid) is None


@pytest.mark.subprocesses
def test_name_with_spaces_and_parentheses_is_read_past(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "60"]) as child:
        process = Process.of(child.pid)
        assert process
        assert process.pid == child.pid
        assert process.started >= this_process().started
        child.kill()


def test_lock_excludes_a_second_holder_until_it_is_released(tmp_path: Path) -> None:

    path = tmp_path / "lock"
    with path.open("w") as other:
        with locked(path), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
