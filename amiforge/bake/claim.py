"""Being the only one here who bakes an image, or who works on a run; whoever comes second hears who, since when."""

from __future__ import annotations

import fcntl
import getpass
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from amiforge.errors import ConfigError, RunBusy

#: Looking who holds a file takes an instant, in which nobody else can take it.
_LOOKS, _LOOK = 5, 0.02


@contextmanager
def claim(path: Path, what: str, run: str) -> Iterator[None]:
    """Hold a file for as long as this context lasts, and no longer than this process lives.

    Args:
        path: the file; its folder is made.
        what: what is claimed, for people: `the bake of eks_gpu`.
        run: the run that claims it.

    Raises:
        RunBusy: a living process holds it; says which, since when.
        ConfigError: the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(
            f"cannot claim {path}: {error.strerror}", fix="set bake.runs to a folder of your own"
        ) from None
    try:
        if not _lock_soon(file):
            held_by = _record(file)
            raise RunBusy(
                f"{what} is being worked on already", held_by=held_by, fix="wait until that has ended, or end it"
            )
        os.truncate(file, 0)
        os.pwrite(file, f"run {run} by {_who()}".encode(), 0)
        yield
    finally:
        os.close(file)


def holder(path: Path) -> str:
    """Give who holds a file, and since when; empty when nobody does."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return ""
    try:
        return "" if _lock(file) else _record(file)
    finally:
        os.close(file)


def _lock_soon(file: int) -> bool:
    """Lock a file that somebody may just be looking at; see `holder`."""
    for _ in range(_LOOKS):
        if _lock(file):
            return True
        time.sleep(_LOOK)
    return _lock(file)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _record(file: int) -> str:
    return os.pread(file, 1000, 0).decode("utf-8", "replace") or "somebody who has just come"


def _who() -> str:
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()}) since {since}"
