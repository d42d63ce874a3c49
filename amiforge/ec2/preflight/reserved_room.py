"""Capacity reservations and capacity blocks: that they are there, can be used now, and have room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from amiforge.ec2.builder import Builder
from amiforge.ec2.network import Subnet
from amiforge.ec2.preflight.finding import Finding, Unasked, ask, fact, problem, warning
from amiforge.ec2.preflight.services import Services
from amiforge.ec2.refusal import code
from amiforge.ec2.reservations import unusable
from amiforge.errors import AwsRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_ec2.type_defs import CapacityReservationTypeDef

_TITLE = "capacity reservations"
_WHERE = "builder.capacity_reservations"


def look(services: Services, wanted: str) -> CapacityReservationTypeDef | Unasked | None:
    """Describe a reservation; None if there is none of that id."""

    def describe() -> CapacityReservationTypeDef | None:
        try:
            found = services.clients.ec2.describe_capacity_reservations(CapacityReservationIds=[wanted])
        except AwsRefused as error:
            if code(error).startswith("InvalidCapacityReservationId"):
                return None
            raise
        return next(iter(found["CapacityReservations"]), None)

    return ask(describe)


def judge(
    found: Sequence[tuple[str, CapacityReservationTypeDef | None]], builder: Builder, subnets: Sequence[Subnet]
) -> Iterator[Finding]:
    """Say which of the wanted reservations can be launched into; a problem where nothing else is left to try."""
    reasons = {name: _reason(each, builder, subnets) for name, each in found}
    elsewhere = "on-demand" in builder.markets or not all(reasons.values())
    for name, reason in reasons.items():
        if reason:
            fix = "give others, or add on-demand to builder.markets"
            yield (warning if elsewhere else problem)(_TITLE, f"{name}: {reason}", fix, _WHERE)
    for name, each in found:
        if each and not reasons[name]:
            free = each.get("AvailableInstanceCount", 0)
            yield fact(_TITLE, f"{name}: {each['InstanceType']} in {each['AvailabilityZone']}, {free} free", _WHERE)
            if not free:
                yield warning(_TITLE, f"{name} is full", "end what is in it, or wait", _WHERE)


def _reason(found: CapacityReservationTypeDef | None, builder: Builder, subnets: Sequence[Subnet]) -> str:
    return unusable(found, builder.markets, subnets) if found else "there is none in this region"
