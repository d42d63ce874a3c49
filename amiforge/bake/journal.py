"""The journal of a run: what was about to be done, and what came of it, each on disk before the next thing happens."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amiforge.ec2.refusal import kind
from amiforge.ec2.session import Call
from amiforge.errors import AwsRefused, ConfigError, NoSpace
from amiforge.redaction import Redaction

#: Version of the lines' shape; the first line of a journal bears it.
SCHEMA = 2
NAME = "journal.jsonl"
#: Calls after which what was made is not to be seen any more. Terminated instances still are.
_REMOVING = {"DeregisterImage"}


@dataclass(frozen=True, slots=True)
class Made:
    """What is known of the last creating call of its kind.

    Attributes:
        ids: what was made by this call or earlier ones, oldest first.
        seconds: how long ago the last of them was made.
        token: client token of a last call of which no answer is known; empty when it was answered.
        open: the last call has no known answer: it may or may not have worked.
    """

    ids: tuple[str, ...] = ()
    seconds: float = 0.0
    token: str = ""
    open: bool = False


class Journal:
    """An append-only file of JSON lines. Every line is on disk when the method that wrote it returns.

    Every line has `at` (seconds since the epoch) and `kind`: `run` (the first one), `resumed` (another process goes
    on), `started`, `finished`, `failed` (a step), `known` (what a step found out), `asked`, `answered`, `refused` (a
    call that may change something), `undone` (a step's traces are gone), `ended` (the last one, with an `outcome`).
    """

    def __init__(self, path: Path, redaction: Redaction) -> None:
        self.path = path
        self.step = ""
        #: everything is being removed.
        self.giving_up = False
        self._redaction = redaction

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

    def go_on(self, **about: Any) -> None:
        """Add to a journal that another process began; what a crash cut off at its end is dropped.

        Raises:
            ConfigError: the file cannot be written.
        """
        try:
            text = self.path.read_bytes()
            os.truncate(self.path, text.rfind(b"\n") + 1)
        except OSError as error:
            raise ConfigError(f"cannot go on with the journal {self.path}: {error.strerror}") from None
        self.write("resumed", **about)

    def write(self, kind: str, **about: Any) -> None:
        """Add a line and wait until it is on disk.

        Raises:
            NoSpace: there is no room for it. Not while everything is being removed: that must happen all the same.
        """
        said = self._redaction.data(about)
        line = json.dumps({"at": round(time.time(), 3), "kind": kind, **said}) + "\n"
        try:
            _append(self.path, line.encode())
        except OSError as error:
            if not self.giving_up:
                raise NoSpace(
                    f"cannot write the journal {self.path}: {error.strerror}",
                    fix="make room in the folder of bake.runs",
                ) from None

    def call(self, call: Call) -> None:
        """Add a line about a call, within the step that makes it."""
        self.write(call.phase, step=self.step, operation=call.operation, about=call.about)

    def made(self, operation: str, name: str, step: str) -> Made:
        """Tell what a step's calls of an operation made: `made("RunInstances", "InstanceId", "launch builder")`.

        What was asked to be removed again is left out, so that nobody waits for it to be seen.
        """
        found, attempt = Made(), Attempt()
        for line in read(self.path):
            if "operation" not in line or line["step"] != step:
                continue
            about = line["about"]
            if line["operation"] in _REMOVING:
                found = replace(found, ids=tuple(each for each in found.ids if each != about.get(name)))
            if line["operation"] != operation:
                continue
            attempt.hear(line)
            if line["kind"] == "answered":
                found = Made((*found.ids, *about.get(name, ())), time.time() - line["at"])
            else:
                found = replace(found, token=attempt.token if attempt.open else "", open=attempt.open)
        return found

    def tokens(self, operation: str) -> frozenset[str]:
        """Give the client token of every call of an operation that was ever sent."""
        asked = (line for line in read(self.path) if line["kind"] == "asked" and line["operation"] == operation)
        return frozenset(line["about"].get("ClientToken", "") for line in asked)


@dataclass
class Attempt:
    """A creating call as the journal's lines tell of it, sent once or again with its token.

    Attributes:
        token: its client token; empty for calls that know none.
        open: what came of it is not known.
    """

    token: str = ""
    open: bool = False
    _lost: bool = False

    def hear(self, line: Mapping[str, Any]) -> None:
        """Take in the next line about it, or about the attempt that follows."""
        if line["kind"] == "asked":
            token = line["about"].get("ClientToken", "")
            self._lost = self._lost and self.open and token == self.token
            self.token, self.open = token, True
        elif line["kind"] == "answered":
            self.open = False
        else:
            trouble = kind(AwsRefused("", code=line["about"]["code"]))
            self._lost = self._lost or trouble == "link"
            # It may have worked though its answer was lost, and a refusal to be asked again does not say otherwise.
            self.open = self._lost and trouble in {"link", "throttle", "credentials"}


def read(path: Path) -> Iterator[Mapping[str, Any]]:
    """Give the lines of a journal. A last line that was cut off by a crash is left out.

    Raises:
        ConfigError: the file is no journal, or of a version that is not known here.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", fix="see `amiforge runs`") from None
    complete = lines[:-1]
    for number, line in enumerate(complete, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str):
            raise ConfigError(f"{path}:{number}: not a line of a journal", fix="choose another run")
        if number == 1 and entry.get("schema") != SCHEMA:
            raise ConfigError(
                f"{path}: a journal of version {entry.get('schema')}, and this is {SCHEMA}",
                fix="use the version of amiforge that began the run, or remove what it left: `amiforge gc`",
            )
        yield entry


def _append(path: Path, line: bytes) -> None:
    """Add a line to a file and wait until it is on disk; a line that is there in part is taken back."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        size = os.fstat(file).st_size
        written = os.write(file, line)
        os.fsync(file)
        if written < len(line):
            os.truncate(file, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(file)


def _sync_folder(folder: Path) -> None:
    """Make a new file's name as lasting as its content."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
