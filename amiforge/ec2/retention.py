"""Which images stay and which may go: a decision over what is known of them, made without asking anybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from amiforge.ec2.catalogue import Ami, Entry, time
from amiforge.ec2.tags import DISABLED, RUN

Action = Literal["keep", "disable", "remove"]
#: States of an image that may grow old. All others belong to a bake, and are `amiforge gc`'s affair when they expire.
_FINISHED = frozenset({"verified", "unverified", "published", "superseded"})
_PUBLISHED = frozenset({"published", "superseded"})


@dataclass(frozen=True, slots=True)
class Policy:
    """What is kept.

    Attributes:
        keep: how many of the newest images of each recipe, operating system and architecture; those that were never
            published are counted apart.
        now: the time it is.
        unused_days: what was made or last launched fewer days ago stays; 0 for no such rule.
        shared: what others may launch may go, too.
        grace_days: what is to go is disabled first, and removed when it was so for that many days; 0 removes at once.
        claimed: tells of a run whether a living process on this machine works on it.
    """

    keep: int
    now: datetime
    unused_days: float = 0
    shared: bool = False
    grace_days: float = 0
    claimed: Callable[[str], bool] = lambda _run: False


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of an image and all its copies, and every reason for that."""

    entry: Entry
    action: Action
    why: tuple[str, ...]


def decide(entries: Sequence[Entry], policy: Policy) -> tuple[Decision, ...]:
    """Say of each image whether it goes. One rule that keeps any of its copies is enough; in doubt it stays."""
    newest = _newest(entries, policy.keep)
    return tuple(_decide(entry, policy, newest) for entry in entries)


def doomed(decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """Give what is to go in the order of going: superseded before others, the oldest first."""
    going = (each for each in decisions if each.action != "keep")
    return tuple(sorted(going, key=lambda each: (each.entry.stage != "superseded", each.entry.created)))


def disabled_since(entry: Entry) -> datetime | None:
    """Give since when an image and all its copies are disabled by us; None when any of them is not."""
    since = [time(ami.tags.get(DISABLED)) if ami.state == "disabled" else None for ami in entry.amis]
    known = [each for each in since if each]
    return max(known) if len(known) == len(since) else None


def _newest(entries: Sequence[Entry], keep: int) -> Mapping[str, str]:
    """Give the images that count among the newest of their kind, and what is said of them; newest first."""
    counts: Counter[tuple[object, ...]] = Counter()
    found: dict[str, str] = {}
    for entry in sorted(entries, key=lambda entry: (entry.created, entry.id), reverse=True):
        if not _usable(entry):
            continue
        kind = (entry.recipe, entry.os, entry.arch, entry.stage in _PUBLISHED)
        counts[kind] += 1
        if counts[kind] <= keep:
            found[entry.id] = f"number {counts[kind]} of the newest {keep}" if keep > 1 else "the newest"
    return found


def _usable(entry: Entry) -> bool:
    """Tell whether an image can be gone back to, so that it counts."""
    return entry.stage in _FINISHED and all(ami.state == "available" for ami in entry.amis)


def _decide(entry: Entry, policy: Policy, newest: Mapping[str, str]) -> Decision:
    if kept := tuple(_reasons(entry, policy, newest)):
        return Decision(entry, "keep", kept)
    why = (entry.stage, f"not among the newest {policy.keep}", _launched(entry, policy.now))
    if not policy.grace_days:
        return Decision(entry, "remove", why)
    since = disabled_since(entry)
    if since is None:
        return Decision(entry, "disable", why)
    until = since + timedelta(days=policy.grace_days)
    if policy.now < until:
        return Decision(entry, "keep", (f"disabled, goes after {until:%Y-%m-%d %H:%M} UTC",))
    return Decision(entry, "remove", (*why, f"disabled since {since:%Y-%m-%d}"))


def _reasons(entry: Entry, policy: Policy, newest: Mapping[str, str]) -> Iterator[str]:
    """Give every reason to keep an image, the weightiest first."""
    if not all(ami.tags.get(RUN) for ami in entry.amis):
        yield "bears no tag of a run"
    for ami in entry.amis:
        if ami.stage not in _FINISHED or ami.expires:
            yield f"{ami.stage or 'of no known state'} in {ami.region}: an affair of `amiforge gc`"
    if policy.claimed(entry.run):
        yield "a process on this machine works on its run"
    yield from _named(entry)
    for ami in entry.amis:
        yield from _ties(ami)
    if entry.shared and not policy.shared:
        yield f"shared with {', '.join(name.rpartition('/')[2] for name in entry.shared)}"
    if policy.unused_days:
        yield from _recent(entry, policy)
    if entry.id in newest:
        yield newest[entry.id]


def _named(entry: Entry) -> Iterator[str]:
    """Give the pointers that name an image, those of the same path in several regions together."""
    regions: dict[str, list[str]] = {}
    for ami in entry.amis:
        if ami.pointers:
            regions.setdefault(", ".join(ami.pointers), []).append(ami.region)
    yield from (f"{paths} names it in {', '.join(where)}" for paths, where in regions.items())


def _ties(ami: Ami) -> Iterator[str]:
    """Give what else holds an image in its region."""
    if ami.users:
        yield f"in use in {ami.region}: {', '.join(ami.users)}"
    if ami.protected:
        yield f"protected from being deregistered in {ami.region}"
    if ami.state not in {"available", "disabled", "failed"}:
        yield f"{ami.state} in {ami.region}"
    for doubt in ami.doubts:
        yield f"who uses it in {ami.region} is not known: {doubt}"


def _recent(entry: Entry, policy: Policy) -> Iterator[str]:
    since = policy.now - timedelta(days=policy.unused_days)
    if entry.launched and entry.launched > since:
        yield _launched(entry, policy.now)
    if entry.created > since:
        yield f"made {_days(policy.now - entry.created)} ago"


def _launched(entry: Entry, now: datetime) -> str:
    return f"last launched {_days(now - entry.launched)} ago" if entry.launched else "never launched"


def _days(length: timedelta) -> str:
    """Give a length of time as whole days, as people say it."""
    return f"{length.days} d" if length.days > 0 else "less than 1 d"
