"""EC2's operations on capacity reservations and capacity blocks, none of which moto has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.utils import generic_filter

from amiforge.sandbox.api.calls import Calls
from amiforge.sandbox.api.reserved import BLOCK, CapacityReservation

#: The blocks that are on offer: every length, from now on, in every zone; the id says what it is.
_OFFER = "cb-"


class ReservedCalls(Calls):
    """Capacity reservations and capacity blocks."""

    def create_capacity_reservation(self) -> ActionResult:
        """Set room aside."""
        return ActionResult({"CapacityReservation": self._reserve(self.params, "default")})

    def describe_capacity_reservations(self) -> ActionResult:
        """Describe, page by page if asked to."""
        there = self.region_backend.reserved
        wanted = self._get_param("CapacityReservationIds", [])
        for reservation_id in wanted:
            if reservation_id not in there:
                raise _unknown(reservation_id)
        found = [one for one in there.values() if not wanted or one.id in wanted]
        return self.page("CapacityReservations", generic_filter(self._filters_from_querystring(), found))

    def cancel_capacity_reservation(self) -> ActionResult:
        """Give room back; what runs in it goes on."""
        reservation_id = self._get_param("CapacityReservationId")
        if reservation_id not in self.region_backend.reserved:
            raise _unknown(reservation_id)
        self.region_backend.reserved[reservation_id].cancelled = True
        return ActionResult({"Return": True})

    def describe_capacity_block_offerings(self) -> ActionResult:
        """Offer one block in each zone, from now on."""
        kind, count = self._get_param("InstanceType"), int(self._get_param("InstanceCount", 1))
        hours = int(self._get_param("CapacityDurationHours"))
        start = datetime.now(UTC)
        offers = [
            {
                "CapacityBlockOfferingId": f"{_OFFER}{zone}/{kind}/{count}/{hours}",
                "InstanceType": kind,
                "AvailabilityZone": zone,
                "InstanceCount": count,
                "StartDate": start,
                "EndDate": start + timedelta(hours=hours),
                "CapacityBlockDurationHours": hours,
                "UpfrontFee": "0.00",
                "CurrencyCode": "USD",
                "Tenancy": "default",
            }
            for zone in sorted(self.region_backend.get_default_subnets())
        ]
        return self.page("CapacityBlockOfferings", offers)

    def purchase_capacity_block(self) -> ActionResult:
        """Buy a block that was offered."""
        offer = str(self._get_param("CapacityBlockOfferingId"))
        words = offer.removeprefix(_OFFER).split("/")
        if not offer.startswith(_OFFER) or [bool(word) for word in words] != [True] * 4:
            raise EC2ClientError("InvalidParameterValue", f"There is no capacity block offering {offer}.")
        zone, kind, count, hours = words
        wanted = {
            "AvailabilityZone": zone,
            "InstanceType": kind,
            "InstanceCount": count,
            "InstancePlatform": self._get_param("InstancePlatform"),
            "EndDate": datetime.now(UTC) + timedelta(hours=int(hours)),
        }
        return ActionResult({"CapacityReservation": self._reserve(wanted, BLOCK)})

    def _reserve(self, wanted: dict[str, Any], kind: str) -> CapacityReservation:
        tags = self.tags("capacity-reservation")
        reservation = CapacityReservation(self.region_backend, wanted, self.region_backend.in_reservation, kind)
        self.region_backend.reserved[reservation.id] = reservation
        reservation.add_tags(tags.get("capacity-reservation", {}))
        return reservation


def _unknown(reservation_id: str) -> EC2ClientError:
    return EC2ClientError(
        "InvalidCapacityReservationId.NotFound", f"The capacity reservation ID '{reservation_id}' does not exist"
    )
