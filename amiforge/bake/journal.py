"""The journal of a run: what was about to be done, and what came of it, each on disk before the next thing happens."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amiforge.ec2.session import Call
from amiforge.errors import ConfigError

#: Version of the lines' shape; the first line of a journal bears it.
SCHEMA = 1


class Journal:
    """An append-only file of JSON lines. Every line is on disk when the method that wrote it returns.

    Every line has `at` (seconds since the epoch) and `kind`: `run` (the first one), `started`, `finished`, `failed`
    (a step), `asked`, `answered`, `refused` (a call that may change something), `undone` (a step's traces are gone).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.step = ""

    def begin(self, **about: Any) -> None:
        """Make the file, with a first line that says which run it is of.

        Raises:
            ConfigError: the file cannot be made, or is there already.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise ConfigError(
                f"cannot begin the journal {self.path}: {error.strerror}", fix="set bake.runs to a folder of your own"
            ) from None
        _sync_folder(self.path.parent)
        self.write("run", schema=SCHEMA, **about)

    def write(self, kind: str, **about: Any) -> None:
        """Add a line and wait until it is on disk."""
        line = json.dumps({"at": round(time.time(), 3), "kind": kind, **about}, default=str) + "\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, line.encode())
            os.fsync(file)
        finally:
            os.close(file)

    def call(self, call: Call) -> None:
        """Add a line about a call, within the step that makes it."""
        self.write(call.phase, step=self.step, operation=call.operation, about=call.about)

    def made(self, operation: str, name: str) -> tuple[str, ...]:
        """Give the ids of one name in all answers to an operation: `made("RunInstances", "InstanceId")`."""
        return tuple(
            found
            for line in read(self.path)
            if line["kind"] == "answered" and line["operation"] == operation
            for found in line["about"].get(name, ())
        )


def read(path: Path) -> Iterator[Mapping[str, Any]]:
    """Give the lines of a journal. A last line that was cut off by a crash is left out.

    Raises:
        ConfigError: the file is no journal, or of a version that is not known here.
    """
    lines = path.read_bytes().split(b"\n")
    complete = lines[:-1]
    for number, line in enumerate(complete, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            raise ConfigError(f"{path}:{number}: not a line of a journal", fix="choose another run") from None
        if number == 1 and entry.get("schema") != SCHEMA:
            raise ConfigError(f"{path}: a journal of version {entry.get('schema')}, and this is {SCHEMA}")
        yield entry


def _sync_folder(folder: Path) -> None:
    """Make a new file's name as lasting as its content."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
