"""Collecting what dead runs left in EC2: what may be removed, and its removal until it is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from amiforge.ec2.leftovers import KINDS, Thing, find, image_users, remove
from amiforge.ec2.session import Clients
from amiforge.errors import AwsRefused, CleanupIncomplete

#: Seconds without any progress until what has no dying instance to wait for counts as stuck.
_SETTLE = 300.0
#: Times in a row that nothing but refusals came back until we believe them.
_REFUSALS = 3
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose leftovers are wanted.

    Attributes:
        now: what counts as expired.
        claimed: tells of a run whether a living process on this machine works on it.
        run: of this run only, and then whether expired or not; empty for all that has expired.
    """

    now: datetime
    claimed: Callable[[str], bool]
    run: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a thing, and why."""

    thing: Thing
    remove: bool
    why: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found; `problems` are the listings that were refused."""

    decisions: tuple[Decision, ...]
    problems: tuple[str, ...]

    @property
    def doomed(self) -> tuple[Thing, ...]:
        """What is to be removed, in the order of removal."""
        found = (decision.thing for decision in self.decisions if decision.remove)
        return tuple(sorted(found, key=lambda thing: KINDS.index(thing.kind)))


def decide(things: Sequence[Thing], asked: Asked) -> tuple[Decision, ...]:
    """Say of each thing whether it is removed. In doubt it stays; what a staying instance uses stays, too."""
    alone = [_decide(thing, asked) for thing in things]
    doomed = {decision.thing.id for decision in alone if decision.remove and decision.thing.kind == "instance"}
    return tuple(_bound(decision, doomed) for decision in alone)


def _decide(thing: Thing, asked: Asked) -> Decision:
    if not thing.run or (asked.run and thing.run != asked.run):
        return Decision(thing, False, "not of this run" if thing.run else "bears no tag of a run")
    if thing.kind in {"image", "snapshot"} and thing.finished:
        return Decision(thing, False, thing.stage)
    if thing.users:
        return Decision(thing, False, f"in use: {', '.join(thing.users)}")
    if asked.claimed(thing.run):
        return Decision(thing, False, "a process on this machine works on the run")
    if asked.run:
        return Decision(thing, True, "of this run")
    return _by_expiry(thing, asked.now)


def _by_expiry(thing: Thing, now: datetime) -> Decision:
    if not thing.expires:
        return Decision(thing, False, "bears no time when it expires")
    try:
        expires = datetime.fromisoformat(thing.expires)
    except ValueError:
        return Decision(thing, False, f"the time when it expires is unreadable: {thing.expires!r}")
    expires = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
    if expires > now:
        return Decision(thing, False, f"until {thing.expires}")
    return Decision(thing, True, f"expired {thing.expires}")


def _bound(decision: Decision, doomed: set[str]) -> Decision:
    staying = [name for name in decision.thing.instances if name not in doomed]
    if decision.remove and staying:
        return Decision(decision.thing, False, f"in use by {', '.join(staying)}")
    return decision


def survey(regions: Sequence[Clients], asked: Asked) -> Survey:
    """Look for leftovers in several regions at once. Good images are no leftovers; they show only when asked by run."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        parts = list(pool.map(lambda clients: _survey(clients, asked), regions))
    return Survey(
        tuple(decision for part in parts for decision in part.decisions),
        tuple(problem for part in parts for problem in part.problems),
    )


def _survey(clients: Clients, asked: Asked) -> Survey:
    things: list[Thing] = []
    problems: list[str] = []
    for kind in KINDS:
        try:
            things += find(clients, kind, asked.run)
        except AwsRefused as error:
            problems.append(f"{clients.region} {kind}s: {error.message}")
    wanted = [thing for thing in things if asked.run or not thing.finished]
    doubtful = {decision.thing.id for decision in decide(wanted, asked) if decision.remove}
    seen = [_seen(clients, thing) if thing.id in doubtful else thing for thing in wanted]
    return Survey(decide(seen, asked), tuple(problems))


def _seen(clients: Clients, thing: Thing) -> Thing:
    """Add to an image who uses it. When that cannot be found out, somebody may."""
    if thing.kind != "image":
        return thing
    try:
        instances, users = image_users(clients, thing.id)
    except AwsRefused as error:
        return replace(thing, users=(f"who uses it cannot be found out, {error.message}",))
    return replace(thing, instances=instances, users=users)


def collect(regions: Sequence[Clients], asked: Asked, deadline: float) -> tuple[Thing, ...]:
    """Remove leftovers, the dearest first, and wait until they are gone; gives what is gone.

    Before each round everything is looked at and decided again, so that what becomes somebody's in the meantime is
    kept, and what a dying process still made is found.

    Args:
        regions: where.
        asked: whose.
        deadline: seconds that a terminated instance may take to be gone.

    Raises:
        CleanupIncomplete: something is still there, or a region could not be looked through; lists it.
    """
    removal = _Removal(regions, deadline)
    while (found := survey(regions, asked)).doomed and removal.go_on(found.doomed):
        removal.round(found.doomed)
    left = [*(removal.describe(thing) for thing in found.doomed), *found.problems]
    if left:
        raise CleanupIncomplete("not everything could be removed", left="\n".join(left), fix=_again(asked))
    staying = {decision.thing.id for decision in found.decisions}
    return tuple(thing for thing in removal.seen.values() if thing.id not in staying)


def _again(asked: Asked) -> str:
    return f"say it again later: amiforge gc{f' --run {asked.run}' if asked.run else ''} --delete"


class _Removal:
    """Rounds of removal: what was seen so far, what was refused in the last one, and how long nothing has moved."""

    def __init__(self, regions: Sequence[Clients], deadline: float) -> None:
        self.seen: dict[tuple[str, str], Thing] = {}
        self._clients = {clients.region: clients for clients in regions}
        self._pace = regions[0].pace
        self._deadline = deadline
        self._refused: dict[str, str] = {}
        self._refusals = self._rounds = 0
        self._before: frozenset[tuple[str, str]] = frozenset()
        self._moved = self._pace.clock()

    def go_on(self, doomed: Sequence[Thing]) -> bool:
        """Tell whether another round may help, and wait for it if it is not the first."""
        now, there = self._pace.clock(), frozenset((thing.id, thing.state) for thing in doomed)
        if there != self._before:
            self._before, self._moved = there, now
        dying = any(thing.kind == "instance" and thing.id not in self._refused for thing in doomed)
        if self._refusals == _REFUSALS or now - self._moved > (self._deadline if dying else _SETTLE):
            return False
        if self._rounds:
            self._pace.on_wait(
                "leftovers to be gone", now - self._moved, ", ".join(f"{each.kind} {each.id}" for each in doomed)
            )
            self._pace.sleep(self._pace.pause(self._rounds - 1))
        self._rounds += 1
        return True

    def round(self, doomed: Sequence[Thing]) -> None:
        """Ask for the removal of everything once. What is refused does not keep the others."""
        self._refused = dict(self._ask(doomed))
        self._refusals = self._refusals + 1 if len(self._refused) == len(doomed) else 0
        self.seen |= {(thing.region, thing.id): thing for thing in doomed}

    def _ask(self, doomed: Sequence[Thing]) -> Iterator[tuple[str, str]]:
        for thing in doomed:
            try:
                remove(self._clients[thing.region], thing)
            except AwsRefused as error:
                yield thing.id, error.message

    def describe(self, thing: Thing) -> str:
        """Name a thing with its state, and with what EC2 said against its removal."""
        state = f" ({thing.state})" if thing.state else ""
        said = f": {self._refused[thing.id]}" if thing.id in self._refused else ""
        return f"{thing.region} {thing.kind} {thing.id}{state}{said}"
