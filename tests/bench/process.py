"""Whole processes, timed: what a user waits for, start of the interpreter included."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that ended well: wall-clock seconds, and what it printed."""

    seconds: float
    output: str


def timed(
    words: Sequence[str] | Sequence[str | Path], *, environment: Mapping[str, str], folder: Path, limit: float = 900
) -> Finished:
    """Run a program to its end.

    Raises:
        RuntimeError: it failed, or took longer than `limit` seconds; carries the end of what it said.
    """
    command = [str(word) for word in words]
    started = time.monotonic()
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{command[0]} did not end within {limit:g} s") from None
    finished = Finished(time.monotonic() - started, done.stdout)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return finished
