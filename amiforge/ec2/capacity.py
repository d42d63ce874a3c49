"""Where an instance may be launched, what an answer of EC2 says about the next try, and which place that is in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from amiforge.ec2.builder import RESERVED, Builder, Market
from amiforge.ec2.network import Subnet
from amiforge.ec2.refusal import code, kind
from amiforge.errors import AwsRefused, BakeError

#: What an answer means for the launch: the same request again; the same place with the next token; another place;
#: another place, this one never again; a place of another quota; nothing will help.
Move = Literal["again", "renew", "elsewhere", "never here", "other quota", "stop"]

# Families that share one vCPU quota. Source: "Spot Instance quotas" and "On-Demand Instance quotas", EC2 user guide.
_QUOTAS = {
    **dict.fromkeys(("g", "gr", "vt"), "g and vt"),
    **{name: name for name in ("dl", "f", "hpc", "inf", "p", "trn", "u", "x")},
}

# Source: StateReason, EC2 API reference. The rest of its codes say that no other place would do either.
_ENDED_FOR_ROOM = frozenset(
    {
        "Server.InsufficientInstanceCapacity",
        "Server.InternalError",
        "Server.SpotInstanceShutdown",
        "Server.SpotInstanceTermination",
    }
)
#: Quotas of a whole region, of EBS or of the account itself: no other type would do either.
_REGIONAL = frozenset({"MaxIOPSLimitExceeded", "PendingVerification", "VolumeLimitExceeded"})


@dataclass(frozen=True, slots=True)
class Reservation:
    """A capacity reservation or capacity block that can be launched into now, for all that is known."""

    id: str
    market: Market
    instance_type: str
    zone: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place to try a launch in; `reservation` is empty outside the markets of reserved room."""

    instance_type: str
    subnet: Subnet
    market: Market = "on-demand"
    reservation: str = ""

    def __str__(self) -> str:
        bought = "" if self.market == "on-demand" else f" ({' '.join(filter(None, (self.market, self.reservation)))})"
        return f"{self.instance_type} in {self.subnet.zone}{bought}"

    @property
    def quota(self) -> tuple[str, str]:
        """The vCPU quota that a launch here counts towards. A reservation is one of its own: it counted when made."""
        letters = re.match("[a-z]*", self.instance_type)
        family = letters.group() if letters else ""
        return self.market, self.reservation or _QUOTAS.get(family, "standard")


def candidates(
    builder: Builder, subnets: Sequence[Subnet], reservations: Iterable[Reservation] = (), *, stopped: bool = True
) -> tuple[Candidate, ...]:
    """Give every place to try: a market after the other, in each the first type everywhere before the second anywhere.

    Args:
        builder: types and markets.
        subnets: in the order of preference; a reservation takes the first in its zone.
        reservations: those that can be used.
        stopped: the instance is to be stopped one day. EC2 stops no spot instance of a one-time request.
    """
    found: list[Candidate] = []
    for market in builder.markets:
        if market in RESERVED:
            found += _reserved(market, subnets, reservations)
        elif not (market == "spot" and stopped):
            found += (Candidate(name, subnet, market) for name in builder.instance_types for subnet in subnets)
    return tuple(dict.fromkeys(found))


def _reserved(market: Market, subnets: Sequence[Subnet], reservations: Iterable[Reservation]) -> Iterator[Candidate]:
    for reservation in reservations:
        here = [subnet for subnet in subnets if subnet.zone == reservation.zone]
        if here and reservation.market == market:
            yield Candidate(reservation.instance_type, here[0], market, reservation.id)


def after_refusal(error: AwsRefused) -> Move:
    """Tell what to do when EC2 refuses to launch an instance."""
    said, sort = code(error), kind(error)
    if said == "IdempotentInstanceTerminated":
        return "renew"
    if sort in {"throttle", "link", "eventual"}:
        return "again"
    if sort == "quota":
        return "stop" if said in _REGIONAL else "other quota"
    if sort == "capacity":
        return "never here" if said == "Unsupported" else "elsewhere"
    return "stop"


def after_end(reason: str) -> Move:
    """Tell what to do when EC2 ended an instance that it had begun to launch, for a reason `Code: message`."""
    return "elsewhere" if reason.partition(":")[0] in _ENDED_FOR_ROOM else "stop"


@dataclass
class Walk:
    """A walk over places: how each answered, and in which order they are tried next.

    Attributes:
        places: where an instance may be, in the order of preference.
        numbers: the number of a place's next attempt.
        answers: what a place said last, those that were asked long ago first.
        over: places, and quotas of places, that are not tried again.
    """

    places: tuple[Candidate, ...]
    numbers: dict[Candidate, int]
    answers: dict[Candidate, str] = field(default_factory=dict)
    over: set[Candidate | tuple[str, str]] = field(default_factory=set)

    def open(self, place: Candidate) -> bool:
        """Tell whether a place may still be tried."""
        return not self.over & {place, place.quota}

    def round(self) -> tuple[Candidate, ...]:
        """Give the places to try, each once: those never asked first, then those whose refusal is oldest."""
        fresh = [place for place in self.places if place not in self.answers]
        return tuple(filter(self.open, (*fresh, *self.answers)))

    def refuse(self, place: Candidate, answer: str, move: Move) -> None:
        """Remember that a place had no room."""
        self.numbers[place] += 1
        self.answers.pop(place, None)
        self.answers[place] = answer
        if move == "never here":
            self.over.add(place)
        if move == "other quota":
            self.over.add(place.quota)

    def said(self) -> str:
        """Give what every place that was asked said last, a line each."""
        return "\n".join(f"{place}: {self.answers[place]}" for place in self.places if place in self.answers)


def why(error: BakeError) -> str:
    """Give the reason of a launch that did not succeed, in the words of EC2."""
    return error.lines.get("code") or error.lines.get("reason") or error.message
