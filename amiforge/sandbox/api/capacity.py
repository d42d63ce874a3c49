"""Whether EC2 has room for what shall be launched: everywhere, except where the opposite was ordered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

from amiforge.sandbox.api.faults import Faults, matches
from amiforge.sandbox.faults import NoRoom, Quota

_OVER_QUOTA = (
    "You have requested more vCPU capacity than your current vCPU limit of {} allows for the instance bucket that the "
    "specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an "
    "adjustment to this limit."
)
_NO_ROOM = (
    "We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}). Our system "
    "will be working on provisioning additional capacity. You can currently get {kind} capacity by not specifying an "
    "Availability Zone in your request or choosing {others}."
)

_NOT_THERE = (
    "Your requested instance type ({kind}) is not supported in your requested Availability Zone ({zone}). Please retry "
    "your request by not specifying an Availability Zone or choosing {others}."
)
#: The markets in which nothing was reserved.
_SOLD = ("on-demand", "spot")


@dataclass(frozen=True, slots=True)
class Demand:
    """What is to be launched, and where: one zone, or any of several."""

    instance_type: str
    zones: tuple[str, ...]
    market: str = "on-demand"
    count: int = 1

    @property
    def vcpus(self) -> int:
        """How many vCPUs it takes."""
        return vcpus(self.instance_type) * self.count


def find_room(faults: Faults, demand: Demand, all_zones: Sequence[str]) -> str:
    """Give the zone that has room.

    Raises:
        EC2ClientError: none has, or the instance type does not exist there.
    """
    existing = [zone for zone in demand.zones if _offered(demand.instance_type, zone)]
    if not existing:
        others = ", ".join(zone for zone in all_zones if _offered(demand.instance_type, zone))
        wanted = {"kind": demand.instance_type, "zone": demand.zones[0], "others": others}
        raise EC2ClientError("Unsupported", _NOT_THERE.format(**wanted))
    for zone in existing:
        if not faults.take(NoRoom, lambda fault, zone=zone: _covers(fault, demand, zone)):  # type: ignore[misc]
            return zone
    if demand.market == "spot":
        raise _insufficient("There is no Spot capacity available that matches your request.")
    if len(demand.zones) > 1:
        raise _insufficient("Insufficient capacity.")
    others = ", ".join(zone for zone in all_zones if zone not in demand.zones)
    raise _insufficient(_NO_ROOM.format(kind=demand.instance_type, zone=demand.zones[0], others=others))


def check_quota(faults: Faults, demand: Demand, running: Iterable[Any]) -> None:
    """Refuse what goes over a quota, given the instances that are not terminated.

    Raises:
        EC2ClientError: it does.
    """
    there = [one for one in running if _market(one) == demand.market]

    def exceeded(quota: Quota) -> bool:
        used = sum(vcpus(one.instance_type) for one in there if matches(quota.instance_type, one.instance_type))
        within = _means(quota.market, demand.market) and matches(quota.instance_type, demand.instance_type)
        return within and used + demand.vcpus > quota.vcpus

    if found := faults.take(Quota, exceeded):
        if demand.market == "spot":
            raise EC2ClientError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
        raise EC2ClientError("VcpuLimitExceeded", _OVER_QUOTA.format(found[0].vcpus))


def vcpus(instance_type: str) -> int:
    """Give how many vCPUs an instance type has."""
    count: int = INSTANCE_TYPES.get(instance_type, {}).get("VCpuInfo", {}).get("DefaultVCpus", 1)
    return count


def _offered(instance_type: str, zone: str) -> bool:
    here = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(zone[:-1], ())
    return any(one["Location"] == zone and one["InstanceType"] == instance_type for one in here) or not here


def _covers(fault: NoRoom, demand: Demand, zone: str) -> bool:
    return (
        matches(fault.instance_type, demand.instance_type)
        and matches(fault.zone, zone)
        and _means(fault.market, demand.market)
    )


def _means(wanted: str, market: str) -> bool:
    return wanted == market or (wanted == "*" and market in _SOLD)


def _market(instance: Any) -> str:
    return instance.lifecycle or "on-demand"


def _insufficient(message: str) -> EC2ClientError:
    return EC2ClientError("InsufficientInstanceCapacity", message)
