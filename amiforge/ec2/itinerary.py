"""From place to place while EC2 has no room, round by round, for as long as there is patience."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from amiforge.ec2.capacity import Candidate, Walk
from amiforge.ec2.poll import Pace


@dataclass
class Itinerary:
    """The places of a walk in the order in which they are tried, with waits between the rounds.

    Attributes:
        pace: what the waits go by; told what we wait for.
        walk: which places there are, and what they answered so far.
        patience: seconds after which no further round begins.
    """

    pace: Pace
    walk: Walk
    patience: float
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.pace.clock()

    @property
    def waited(self) -> float:
        """The seconds since the beginning."""
        return self.pace.clock() - self._started

    def places(self, first: Candidate | None = None) -> Iterator[Candidate]:
        """Give one place after the other; what it answers is in the walk before the next one is asked for.

        Args:
            first: the place to begin with, which the first round then leaves out.
        """
        if first:
            yield first
        yield from self._round(1, [place for place in self.walk.round() if place not in self.walk.answers])
        for number in itertools.count(2):
            ahead = self.walk.round()
            if self.waited >= self.patience or not ahead:
                return
            self._tell(ahead[0], number)
            self.pace.sleep(min(self.patience - self.waited, self._pause(number)))
            yield from self._round(number, ahead)

    def _round(self, number: int, ahead: Sequence[Candidate]) -> Iterator[Candidate]:
        for position, place in enumerate(ahead):
            if number > 1 and position and self.waited >= self.patience:
                return
            if self.walk.open(place):
                self._tell(place, number)
                yield place

    def _tell(self, place: Candidate, number: int) -> None:
        """Say what we wait for, unless nothing has been refused yet."""
        walk, left = self.walk, self.patience - self.waited
        if walk.answers:
            said = f"{len(walk.answers)} of {len(walk.places)} places tried, round {number}"
            self.pace.on_wait(f"room for {place}", self.waited, f"{said}, {span(left)} left" if left > 0 else said)

    def _pause(self, number: int) -> float:
        """Give the seconds to wait before a round: far longer than between two looks, since room is rare."""
        pace = self.pace
        return replace(pace, first=6 * pace.longest, longest=60 * pace.longest).pause(number - 2)


def span(seconds: float) -> str:
    """Give a length of time for people."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
