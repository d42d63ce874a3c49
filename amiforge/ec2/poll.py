"""Waiting for something that EC2 works on: own deadlines, every end state known, hiccups forgiven."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from amiforge.ec2.refusal import kind, passing
from amiforge.errors import AwsRefused, BakeError

T = TypeVar("T")

#: Told what we wait for, for how many seconds we have, and what it says now.
OnWait = Callable[[str, float, str], None]


def _quietly(_what: str, _seconds: float, _detail: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often we look, in seconds: soon at first, then ever more rarely, up to `longest`."""

    first: float = 0.2
    longest: float = 15.0
    growth: float = 1.5
    on_wait: OnWait = _quietly
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def pause(self, looks: int) -> float:
        """Give the seconds to wait after so many looks, with jitter so that parallel bakes do not look in step."""
        grown = self.first * self.growth ** min(looks, 100)
        return min(grown, self.longest) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, no secret


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait for something that EC2 works on.

    Attributes:
        what: what we wait for, for people: `instance i-… to be running`.
        deadline: seconds it may take.
        late: the error when it takes longer.
        grace: seconds for which the thing may be unknown: what was just made is not known everywhere at once.
    """

    what: str
    deadline: float
    late: type[BakeError]
    grace: float = 120


def poll(wait: Wait, look: Callable[[], T], progress: Callable[[T], str | None], pace: Pace) -> T:
    """Look until it is done, and give what was seen then.

    Throttling and a lost link never end the wait before its deadline.

    Args:
        wait: what for, and how long.
        look: asks EC2.
        progress: gives None when it is done, what it says now while it is not; raises when it never will be.
        pace: how often.

    Raises:
        AwsRefused: EC2 refuses to be asked.
        BakeError: `wait.late`, past the deadline.
    """
    started, looks = pace.clock(), 0
    while True:
        waited = pace.clock() - started
        try:
            seen = look()
            said = progress(seen)
        except AwsRefused as error:
            if not (passing(error) or (kind(error) == "eventual" and waited < wait.grace)):
                raise
            said = error.message
        if said is None:
            return seen
        if waited >= wait.deadline:
            raise wait.late(f"{wait.what}: still not so after {waited:.0f} s", state=said)
        pace.on_wait(wait.what, waited, said)
        pace.sleep(pace.pause(looks))
        looks += 1
