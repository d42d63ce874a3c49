"""Processes that outlive the program that started them, and pid files that cannot name a stranger."""

from __future__ import annotations

import fcntl
import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process, told from a later one with the same pid by the time it started (clock ticks since boot)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int | str) -> Process | None:
        """Look up a running process; `self` is the caller as the mounted /proc numbers it. None if dead."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # proc(5): the name stands in parentheses and may hold anything; state is field 3, starttime 22.
        fields = text.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(int(text.split(maxsplit=1)[0]), int(fields[19]))

    @classmethod
    def read(cls, path: Path) -> Process | None:
        """Read a pid file; None if there is none, or it is torn."""
        try:
            pid, started = path.read_text().split()
            return cls(int(pid), int(started))
        except (FileNotFoundError, ValueError):
            return None

    def write(self, path: Path) -> None:
        """Write a pid file in one step."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_text(f"{self.pid} {self.started}\n")
        new.replace(path)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return Process.of(self.pid) == self

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal; False if the process is gone. A pid that was given away is never hit."""
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:
                if self.alive:
                    signal.pidfd_send_signal(handle, number)
                    return True
            finally:
                os.close(handle)
        return False

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for its end; True if it ended. It need not be our child."""
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:
                if self.alive:
                    ended = select.poll()
                    ended.register(handle, select.POLLIN)
                    return bool(ended.poll(timeout * 1000))
            finally:
                os.close(handle)
        return True


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold a lock file that one process or thread at a time can hold; it is free again when that one dies.

    The value is its descriptor: a child that inherits it holds the lock too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def children(pid: int) -> list[int]:
    """Give the pids of a process's children.

    Raises:
        OSError: it is gone.
    """
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_init(pid: int) -> bool:
    """Tell whether a process is the first one of a pid namespace of its own.

    Raises:
        OSError: it is gone.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    pids = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
    return len(pids) > 1 and pids[-1] == "1"
