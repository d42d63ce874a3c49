"""Which deaths there are: at every line of the journal, at random times, with answers lost, once and again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import cycle
from typing import Literal, NamedTuple

from amiforge.sandbox.faults import CallFault
from tests.deaths.deaths import Plan, Sequel
from tests.deaths.process import Moment

#: Calls that make something, of which an answer may be lost: operation, and how many of them go through before.
MAKING = (
    ("ImportKeyPair", 0),
    ("CreateSecurityGroup", 0),
    ("AuthorizeSecurityGroupIngress", 0),
    ("RunInstances", 0),
    ("CreateImage", 0),
    ("ImportKeyPair", 1),
    ("RunInstances", 1),
)
BOTH: tuple[Sequel, ...] = ("resume", "gc")
Where = Literal["before", "after", "torn"]


class Lines(NamedTuple):
    """How many lines the journal of a bake has that nobody kills: one that ends well, one that fails, and one that
    publishes its image too.
    """

    good: int
    failing: int
    published: int


def few(lengths: Lines) -> Iterator[Plan]:
    """Every boundary once, resumed and collected by turns, and one of each other sort."""
    lines, failing, published = lengths
    sequels = cycle(BOTH)
    yield from (Plan(Moment(line=number), next(sequels)) for number in range(1, lines + 1))
    yield from (
        Plan(Moment(operation=name), sequel, faults=_lost(name, 0)) for name, _ in MAKING[3:5] for sequel in BOTH
    )
    yield Plan(Moment(line=lines // 2), "resume", again=(Moment(line=lines // 8), Moment(line=lines // 4)))
    yield Plan(Moment(line=lines // 2), "gc", again=(Moment(call=12),))
    yield Plan(Moment(line=failing - 5), "resume", bad=True)
    yield from (Plan(Moment(line=number), next(sequels), publish=True) for number in range(lines, published + 1))


def all_(lengths: Lines, seconds: float, seed: int) -> Iterator[Plan]:
    """All of them; `seconds` is how long a bake takes."""
    lines, failing, published = lengths
    dice = random.Random(seed)  # noqa: S311 - to be had again, not secret
    for sequel in BOTH:
        yield from (Plan(Moment(line=number), sequel) for number in range(1, lines + 1))
        yield from (Plan(Moment(line=dice.randint(2, lines), where="torn"), sequel) for _ in range(4))
        yield from (Plan(Moment(seconds=dice.uniform(0.01, seconds * 1.1)), sequel) for _ in range(40))
        for where in ("before", "after"):
            for name, skip in MAKING:
                yield Plan(Moment(operation=name, where=where), sequel, faults=_lost(name, skip))
    turns = cycle(BOTH)
    yield from (Plan(Moment(line=number, where="after"), next(turns)) for number in range(1, lines + 1))
    yield from (Plan(Moment(line=number), next(turns), bad=True) for number in range(lines * 2 // 3, failing + 1))
    yield from _publishing(lines, published)
    yield from _again(lines, seconds, dice)
    yield from (Plan(Moment(line=number), "resume", builder_gone=True) for number in range(1, lines + 1, 3))


def _publishing(lines: int, published: int) -> Iterator[Plan]:
    """Deaths after the image is proven, and answers lost there."""
    for sequel in BOTH:
        yield from (Plan(Moment(line=number), sequel, publish=True) for number in range(lines, published + 1))
        for name in ("CopyImage", "PutParameter", "ModifyImageAttribute"):
            yield Plan(Moment(operation=name), sequel, faults=_lost(name, 0), publish=True)


def _again(lines: int, seconds: float, dice: random.Random) -> Iterator[Plan]:
    """Deaths of those who come after the first one."""
    for number in range(2, lines + 1, 3):
        again = tuple(Moment(line=dice.randint(1, lines)) for _ in range(2))
        yield Plan(Moment(line=number), "resume", again=again)
    for number in range(3, lines + 1, 6):
        yield Plan(Moment(line=number), "resume", again=(Moment(seconds=dice.uniform(0.01, seconds)),) * 3)
    for number in range(4, lines + 1, 4):
        yield Plan(
            Moment(line=number), "gc", again=(Moment(call=dice.randint(1, 20)), Moment(call=dice.randint(1, 20)))
        )
    for number in range(5, lines + 1, 10):
        yield Plan(Moment(line=number), "gc", again=(Moment(seconds=dice.uniform(0.05, 0.5)),))


def _lost(operation: str, skip: int) -> tuple[CallFault, ...]:
    return (CallFault(operation=operation, lost=True, skip=skip),)
