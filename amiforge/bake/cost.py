"""What a run costs, as an estimate from its journal: how long each instance ran and each volume was there.

Nothing is asked of AWS. Times are those of the calls' answers on our side, a moment later than EC2's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from amiforge.bake import prices

_HOUR = 3600
#: EC2 charges Linux instances by the second, and at least a minute each time they start. Source: EC2 On-Demand
#: pricing; EBS volumes likewise, EBS pricing.
_LEAST = 60.0
_ENDING = frozenset({"StopInstances", "TerminateInstances"})


@dataclass(frozen=True, slots=True)
class Use:
    """One instance and its volumes, as a run used them. Times are seconds since the epoch.

    Attributes:
        instance: its id.
        role: the step that launched it.
        instance_type: such as `m6i.4xlarge`.
        market: `on-demand`, `spot`, or how it was reserved.
        gib: size of its volumes, as asked for.
        launched: when EC2 said yes.
        stopped: when it was told to stop or to end; None when the journal does not tell.
        gone: when its volumes went with it; None likewise.
        until: the last time the journal tells of, for what has no known end.
        price: US dollars an hour; None when it is not known.
        listed: the price is the list's, not the settings'.
    """

    instance: str
    role: str
    instance_type: str
    market: str
    gib: int
    launched: float
    until: float
    stopped: float | None = None
    gone: float | None = None
    price: float | None = None
    listed: bool = False

    @property
    def seconds(self) -> float:
        """Seconds that are charged."""
        return max((self.stopped or self.until) - self.launched, _LEAST)

    @property
    def dollars(self) -> float | None:
        """What the instance costs."""
        return None if self.price is None else self.price * self.seconds / _HOUR

    @property
    def gib_hours(self) -> float:
        """What its volumes take."""
        return self.gib * max((self.gone or self.until) - self.launched, _LEAST) / _HOUR


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run costs, in US dollars by list prices of `prices.REGION` on `prices.DATE`; an estimate.

    Attributes:
        uses: the instances.
        snapshot_gib: most that the image's snapshots can hold, in all the regions that they are in.
    """

    uses: tuple[Use, ...] = ()
    snapshot_gib: int = 0

    @property
    def instances(self) -> float:
        """Of all instances whose price is known."""
        return sum(use.dollars or 0.0 for use in self.uses)

    @property
    def gib_hours(self) -> float:
        """Of all volumes."""
        return sum(use.gib_hours for use in self.uses)

    @property
    def volumes(self) -> float:
        """Of all volumes while the run lasted."""
        return self.gib_hours * prices.VOLUME / prices.HOURS_OF_A_MONTH

    @property
    def run(self) -> float:
        """Of the run itself: instances and volumes."""
        return self.instances + self.volumes

    @property
    def month(self) -> float:
        """Of keeping the image for a month, at most."""
        return self.snapshot_gib * prices.SNAPSHOT

    @property
    def unknown(self) -> tuple[str, ...]:
        """Instance types whose price is not known, each once."""
        return tuple(dict.fromkeys(use.instance_type for use in self.uses if use.price is None))


def cost(lines: Sequence[Mapping[str, Any]], known: Mapping[str, float]) -> Cost:
    """Give what a run costs by its journal's lines; `known` maps instance types to US dollars an hour."""
    ledger = _Ledger(until=max((line["at"] for line in lines), default=0.0), known=known)
    for line in lines:
        ledger.hear(line)
    return Cost(tuple(ledger.uses()), ledger.snapshots())


@dataclass
class _Ledger:
    """Takes in a journal line by line."""

    until: float
    known: Mapping[str, float]
    asked: Mapping[str, Any] = field(default_factory=dict)
    launches: dict[str, tuple[float, str, Mapping[str, Any]]] = field(default_factory=dict)
    ends: dict[tuple[str, str], float] = field(default_factory=dict)
    copied: list[str] = field(default_factory=list)
    images: int = 0
    image_gib: int = 0

    def hear(self, line: Mapping[str, Any]) -> None:
        """Take in a line."""
        about = line.get("about")
        if not isinstance(about, dict):
            return
        operation = line.get("operation")
        if operation == "RunInstances" and line["kind"] == "asked":
            self.asked = about
        elif line["kind"] == "known":
            self._note(about.get("builder"), line["at"])
        elif line["kind"] == "answered":
            self._answered(str(operation), about, line)

    def _answered(self, operation: str, about: Mapping[str, Any], line: Mapping[str, Any]) -> None:
        ids = [str(each) for each in _list(about.get("InstanceId"))]
        if operation == "RunInstances":
            for instance in ids:
                self.launches.setdefault(instance, (line["at"], str(line.get("step", "")), self.asked))
        elif operation in _ENDING:
            for instance in ids:
                self.ends.setdefault((operation, instance), line["at"])
        elif operation in {"CreateImage", "CopyImage"}:
            self.images += 1
            self.image_gib = self.image_gib or max((_gib(asked) for _, _, asked in self.launches.values()), default=0)

    def _note(self, builder: Any, at: float) -> None:
        """A builder that is proven clean powers itself off: it is only seen stopped."""
        if isinstance(builder, dict) and builder.get("state") == "stopped":
            self.ends.setdefault(("StopInstances", str(builder.get("id"))), at)

    def uses(self) -> Iterator[Use]:
        """Give what is known of every instance."""
        for instance, (at, step, asked) in self.launches.items():
            gone = self.ends.get(("TerminateInstances", instance))
            stopped = self.ends.get(("StopInstances", instance))
            kind = str(asked.get("InstanceType", ""))
            yield Use(
                instance=instance,
                role=step,
                instance_type=kind,
                market=_market(asked),
                gib=_gib(asked),
                launched=at,
                until=self.until,
                stopped=min(filter(None, (stopped, gone)), default=None),
                gone=gone,
                price=self.known.get(kind, prices.INSTANCES.get(kind)),
                listed=kind not in self.known,
            )

    def snapshots(self) -> int:
        """Give the size of the image's snapshots and of their copies."""
        return self.image_gib * self.images


def _market(asked: Mapping[str, Any]) -> str:
    market = asked.get("InstanceMarketOptions")
    if isinstance(market, dict):
        return str(market.get("MarketType", "on-demand"))
    return "capacity-reservation" if asked.get("CapacityReservationSpecification") else "on-demand"


def _gib(asked: Mapping[str, Any]) -> int:
    volumes = [each.get("Ebs") for each in _list(asked.get("BlockDeviceMappings")) if isinstance(each, dict)]
    sizes = [each.get("VolumeSize") for each in volumes if isinstance(each, dict)]
    return sum(size for size in sizes if isinstance(size, int))


def _list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()
