"""The faults that were ordered and are still to come, and whom they hit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from threading import Event, Lock
from typing import Any, TypeVar

from amiforge.sandbox.faults import CallFault, Fault, Harm, Late, LateState

#: Seconds between two looks at whether a fault was cleared.
_GLANCE = 0.05
#: The tag that says what an instance is for.
ROLE = "amiforge:role"

Kind = TypeVar("Kind", bound=Fault)


@dataclass(slots=True)
class Course:
    """How far an order has come: whether it was cleared, and how many of its harms last right now."""

    cleared: Event = field(default_factory=Event)
    lasting: int = 0


@dataclass(slots=True)
class _Standing:
    """One order: how often it may still hit. `left` is None for ever."""

    fault: Fault
    left: int | None
    since: float
    seen: int = 0
    course: Course = field(default_factory=Course)

    @property
    def due(self) -> bool:
        seconds = self.fault.seconds if isinstance(self.fault, CallFault) else None
        return self.left != 0 and (seconds is None or time.monotonic() < self.since + seconds)

    def hit(self) -> None:
        if self.left is not None:
            self.left -= 1

    def row(self) -> dict[str, Any]:
        return {**self.fault.model_dump(), "times": self.left}


@dataclass(frozen=True, slots=True)
class Pause:
    """How much longer something takes than it must; ends early when its fault is cleared."""

    seconds: float = 0.0
    cleared: Event = field(default_factory=Event)

    def wait(self, over: Event) -> None:
        """Return when the time has passed, the fault is cleared or `over` is set."""
        end = time.monotonic() + self.seconds
        while (left := end - time.monotonic()) > 0 and not self.cleared.is_set():
            if over.wait(min(left, _GLANCE)):
                return


@dataclass(slots=True)
class Faults:
    """All orders. Has a lock of its own: a call may hit one while another is being carried out."""

    _standing: list[_Standing] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def order(self, fault: Fault) -> Course:
        """Add a fault, and give its course. One that befalls a running instance waits for nobody else."""
        left = 0 if isinstance(fault, Harm) and fault.instance else fault.times
        standing = _Standing(fault, left, time.monotonic())
        with self._lock:
            self._standing.append(standing)
        return standing.course

    def clear(self) -> None:
        """Drop all faults, and end what still lasts because of one."""
        with self._lock:
            for standing in self._standing:
                standing.course.cleared.set()
            self._standing.clear()

    def listing(self) -> list[dict[str, Any]]:
        """Give the faults that can still hit, or last, as JSON values; `times` is how often they still can."""
        with self._lock:
            return [standing.row() for standing in self._standing if standing.due or standing.course.lasting]

    def call(self, operation: str, region: str) -> CallFault | None:
        """Give the fault that this call meets, if any, and count it."""
        with self._lock:
            for standing in self._standing:
                fault = standing.fault
                if not isinstance(fault, CallFault) or fault.operation not in ("*", operation) or not standing.due:
                    continue
                if not matches(fault.region, region):
                    continue
                standing.seen += 1
                if standing.seen > fault.skip and (standing.seen - fault.skip) % fault.every == 0:
                    standing.hit()
                    return fault
        return None

    def take(self, kind: type[Kind], fits: Callable[[Kind], bool] = lambda _: True) -> tuple[Kind, Event] | None:
        """Give the first fault of a kind that fits, and the event that is set when it is cleared; counts it."""
        with self._lock:
            for standing in self._standing:
                if isinstance(standing.fault, kind) and standing.due and fits(standing.fault):
                    standing.hit()
                    return standing.fault, standing.course.cleared
        return None

    def harms(self, tags: Iterable[dict[str, str]]) -> list[tuple[Harm, Course]]:
        """Give the harms that befall an instance which is being launched, by its tags."""
        role = next((tag["value"] for tag in tags if tag["key"] == ROLE), "")
        found = []
        with self._lock:
            for standing in self._standing:
                harm = standing.fault
                if isinstance(harm, Harm) and standing.due and not harm.instance and matches(harm.role, role):
                    standing.hit()
                    found.append((harm, standing.course))
        return found

    def late(self, what: LateState, region: str) -> Pause:
        """Give how much longer a state lasts that begins now."""
        found = self.take(Late, lambda fault: fault.what == what and matches(fault.region, region))
        return Pause(found[0].seconds, found[1]) if found else Pause()


def matches(pattern: str, text: str) -> bool:
    """Whether a name is what a pattern with `*` and `?` means."""
    return fnmatchcase(text, pattern)
