"""Capacity reservations and capacity blocks: room that was set aside, and counted down by what runs in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.utils import random_id

from amiforge.sandbox.api.capacity import Demand

BLOCK = "capacity-block"
_FULL = "The requested reservation does not have sufficient compatible and available capacity for this request."


class CapacityReservation(TaggedEC2Resource):
    """Room for a number of instances of one type in one zone, between two times.

    `used` gives how many run in it now. `kind` is `default` or `capacity-block`.
    """

    def __init__(
        self, backend: EC2Backend, wanted: dict[str, Any], used: Callable[[str], int], kind: str = "default"
    ) -> None:
        self.ec2_backend = backend
        self.id = self.capacity_reservation_id = random_id("cr")
        self.owner_id = backend.account_id
        self.instance_type: str = wanted["InstanceType"]
        self.instance_platform: str = wanted["InstancePlatform"]
        self.availability_zone: str = wanted["AvailabilityZone"]
        self.total_instance_count = int(wanted["InstanceCount"])
        self.instance_match_criteria = wanted.get("InstanceMatchCriteria", "open" if kind == "default" else "targeted")
        self.tenancy = "default"
        self.reservation_type = kind
        self.create_date = datetime.now(UTC)
        self.start_date = _utc(wanted.get("StartDate")) or self.create_date
        self.end_date = _utc(wanted.get("EndDate"))
        self.end_date_type = "limited" if self.end_date else "unlimited"
        self.cancelled = False
        self._used = used

    @property
    def state(self) -> str:
        """Give its state as EC2 names it."""
        now = datetime.now(UTC)
        if self.cancelled:
            return "cancelled"
        if self.end_date and now >= self.end_date:
            return "expired"
        return "scheduled" if now < self.start_date else "active"

    @property
    def available_instance_count(self) -> int:
        """Give how many more instances can be launched into it."""
        return self.total_instance_count - self._used(self.id) if self.state == "active" else 0

    def fits(self, demand: Demand) -> bool:
        """Whether it has room for all that is to be launched."""
        return (
            self.instance_type == demand.instance_type
            and self.availability_zone in demand.zones
            and self.available_instance_count >= demand.count
        )

    def get_filter_value(self, filter_name: str, method_name: str | None = None) -> Any:
        """Give what a filter compares with."""
        name = filter_name.replace("-", "_")
        return getattr(self, name) if hasattr(self, name) else super().get_filter_value(filter_name, method_name)


def _utc(time: datetime | None) -> datetime | None:
    """Give a time of a request, which says UTC and was read without."""
    return time and time.replace(tzinfo=UTC)


def reservation_for(
    demand: Demand, target: str, open_to_any: bool, there: Iterable[CapacityReservation]
) -> CapacityReservation | None:
    """Give the reservation that a launch goes into; None if into none.

    Args:
        demand: what is launched. Its market is `capacity-block` for those, and only for those.
        target: id of the reservation that was asked for, or nothing.
        open_to_any: whether an open reservation that fits is to be used when none was asked for.
        there: all reservations.

    Raises:
        EC2ClientError: the one asked for does not exist or has no room.
    """
    if target:
        found = next((one for one in there if one.id == target), None)
        if not found:
            raise EC2ClientError(
                "InvalidCapacityReservationId.NotFound", f"The capacity reservation ID '{target}' does not exist"
            )
        if not found.fits(demand) or (found.reservation_type == BLOCK) != (demand.market == BLOCK):
            raise EC2ClientError("ReservationCapacityExceeded", _FULL)
        return found
    if demand.market == BLOCK:
        raise EC2ClientError("InvalidParameterValue", "A capacity block needs a capacity reservation target.")
    ours = (one for one in there if one.instance_match_criteria == "open" and one.fits(demand))
    return next(ours, None) if open_to_any and demand.market == "on-demand" else None
