"""Room that was bought beforehand: capacity reservations and capacity blocks, and the places of a launch with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from amiforge.ec2.builder import Builder, Market
from amiforge.ec2.capacity import Candidate, Reservation, candidates
from amiforge.ec2.network import Subnet
from amiforge.ec2.refusal import code
from amiforge.ec2.session import Clients
from amiforge.errors import AwsRefused, ConfigError

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import CapacityReservationTypeDef

#: EC2 begins to end the instances of a capacity block this long before its end. Source: "Capacity Blocks", EC2 user
#: guide.
_LAST = timedelta(minutes=30)


def places(
    clients: Clients, builder: Builder, subnets: Sequence[Subnet], *, stopped: bool = True
) -> tuple[Candidate, ...]:
    """Give every place to try a launch in; reservations that cannot be used are left out, and told.

    Args:
        clients: of the region; their pace is told of what is left out.
        builder: types, markets and reservations.
        subnets: where, in the order of preference.
        stopped: the instance is to be stopped one day, which no spot instance can be.

    Raises:
        ConfigError: no place is left; says why.
    """
    usable: list[Reservation] = []
    useless: list[str] = []
    for wanted in builder.capacity_reservations:
        found = _read(clients, wanted)
        reason = unusable(found, builder.markets, subnets) if found else "there is none in this region"
        if reason:
            useless.append(f"{wanted}: {reason}")
            clients.pace.on_wait("room", 0, f"without {useless[-1]}")
        elif found:
            usable.append(_reservation(found))
    tried = candidates(builder, subnets, usable, stopped=stopped)
    if not tried:
        raise ConfigError(
            "builder.capacity_reservations: none of them can be used",
            reservations="\n".join(useless),
            fix="give others, or add on-demand to builder.markets",
        )
    return tried


def unusable(found: CapacityReservationTypeDef, markets: Sequence[Market], subnets: Sequence[Subnet]) -> str:
    """Say why nothing can be launched into a reservation; empty when that can be tried.

    A full one can: what is in it may end while we wait.
    """
    state, begin, end = found.get("State", ""), found.get("StartDate"), found.get("EndDate")
    if state != "active":
        return f"it is {state}" + (f", and begins {begin:%Y-%m-%d %H:%M} UTC" if state == "scheduled" and begin else "")
    market = _market(found)
    if market not in markets:
        return f"it is a {market}, which is not among builder.markets"
    if found.get("Interruptible") or found.get("Tenancy", "default") != "default":
        return "it is interruptible or for dedicated hardware, which is not supported"
    if market == "capacity-block" and end and end - datetime.now(UTC) < _LAST:
        return f"it ends {end:%Y-%m-%d %H:%M} UTC, and takes no new instances in its last half hour"
    if found.get("AvailabilityZone") not in {subnet.zone for subnet in subnets}:
        return f"it is in {found.get('AvailabilityZone')}, where none of the subnets is"
    return ""


def _read(clients: Clients, wanted: str) -> CapacityReservationTypeDef | None:
    try:
        found = clients.ec2.describe_capacity_reservations(CapacityReservationIds=[wanted])["CapacityReservations"]
    except AwsRefused as error:
        # One unknown id makes a call for several fail as a whole, so each is asked for alone.
        if code(error) != "InvalidCapacityReservationId.NotFound":
            raise
        return None
    return found[0] if found else None


def _market(found: CapacityReservationTypeDef) -> Market:
    return "capacity-block" if found.get("ReservationType") == "capacity-block" else "capacity-reservation"


def _reservation(found: CapacityReservationTypeDef) -> Reservation:
    return Reservation(found["CapacityReservationId"], _market(found), found["InstanceType"], found["AvailabilityZone"])
