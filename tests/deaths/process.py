"""Processes of the harness: an EC2 that outlives every death, and children that die on order.

Everything is imported by the process that forks, so that a child begins at once. It has one thread; a fork of a process
with several may hang.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from amiforge.bake.journal import Journal
from amiforge.sandbox.api import life
from amiforge.sandbox.api.app import App
from amiforge.sandbox.faults import Fault
from amiforge.settings import AwsSettings
from tests.deaths.ec2 import REGION, Ec2

#: Seconds after which a child counts as hanging.
_LONGEST = 60.0


@dataclass(frozen=True)
class Moment:
    """When a process kills itself, or is killed.

    Attributes:
        line: at this line of its journal, counted from 1 over those that this process writes; 0 for another reason.
        where: before or after that line is on disk, or when half of it is.
        operation: at the first line that says an answer of this operation was lost.
        seconds: after so much time.
        call: at this call of EC2, before it is sent.
    """

    line: int = 0
    where: Literal["before", "after", "torn"] = "before"
    operation: str = ""
    seconds: float = 0.0
    call: int = 0


@dataclass(frozen=True)
class End:
    """How a child ended: killed, or by itself with what went wrong, if anything did."""

    killed: bool
    error: str


def die() -> None:
    """End like a process that nobody lets say a last word."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(moment: Moment) -> None:
    """Make this process die at a line of the journal. Only for children, which do nothing else in their life."""
    of_any: Any = Journal
    write, lines = of_any.write, [0]

    def fatal(journal: Journal, kind: str, **about: Any) -> None:
        lines[0] += 1
        lost = kind == "refused" and about.get("operation") == moment.operation
        if lines[0] != moment.line and not lost:
            write(journal, kind, **about)
            return
        if moment.where == "before":
            die()
        write(journal, kind, **about)
        if moment.where == "torn":
            os.truncate(journal.path, journal.path.stat().st_size - 20)
        die()

    of_any.write = fatal


def spawn(work: Callable[[], None], log: Path) -> int:
    """Begin a child; what goes wrong in it is written to its log."""
    pid = os.fork()
    if pid:
        return pid
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, sys.stdout.fileno())
    os.dup2(file, sys.stderr.fileno())
    status = 1
    gc.disable()  # what is not touched need not be copied
    try:
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - a child must never go on as its parent
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def run(work: Callable[[], None], log: Path, moment: Moment) -> End:
    """Run a child to its end, or to the moment of its death."""

    def armed() -> None:
        arm(moment)
        work()

    pid = spawn(armed, log)
    kill_at = time.monotonic() + (moment.seconds or _LONGEST)
    while not (waited := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() > kill_at:
            os.kill(pid, signal.SIGKILL)
            waited = os.waitpid(pid, 0)
            break
        time.sleep(0.002)
    status = os.waitstatus_to_exitcode(waited[1])
    if status == -signal.SIGKILL and time.monotonic() > kill_at and not moment.seconds:
        return End(killed=False, error=f"it hangs, see {log}")
    return End(status == -signal.SIGKILL, log.read_text()[-3000:] if status not in {0, -signal.SIGKILL} else "")


class World:
    """An account served by a process of its own, which no death of a bake touches."""

    def __init__(self, folder: Path, faults: Sequence[Fault], app: App) -> None:
        asks, self._asks = os.pipe()
        self._answers, answers = os.pipe()
        parent = os.getpid()
        self._pid = spawn(lambda: _serve(Ec2(folder, app), faults, asks, answers, parent), folder / "ec2.log")
        os.close(asks)
        os.close(answers)
        self.settings = AwsSettings(region=REGION, endpoint_url=str(self._answer()))

    def inventory(self) -> list[str]:
        """Name all there is, once EC2 has finished every call that has reached it."""
        os.write(self._asks, b"i")
        found = self._answer()
        assert isinstance(found, list)
        return found

    def made(self) -> dict[str, int]:
        """Give how often something dear was made: instances by role, images."""
        os.write(self._asks, b"m")
        found = self._answer()
        assert isinstance(found, dict)
        return found

    def _answer(self) -> object:
        line = b""
        while not line.endswith(b"\n"):
            part = os.read(self._answers, 65536)
            if not part:
                raise RuntimeError("the endpoint ended")
            line += part
        return json.loads(line)

    def close(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._asks)
        os.close(self._answers)


def _serve(served: Ec2, faults: Sequence[Fault], asks: int, answers: int, parent: int) -> None:
    life._GLANCE = 0.03
    with served as ec2:
        for fault in faults:
            ec2.order(fault)
        os.write(answers, json.dumps(ec2.url).encode() + b"\n")
        while os.getppid() == parent:
            if select.select([asks], [], [], 1.0)[0]:
                asked = os.read(asks, 1)
                ec2.quiet()
                answer = ec2.made() if asked == b"m" else ec2.inventory()
                os.write(answers, json.dumps(answer).encode() + b"\n")
