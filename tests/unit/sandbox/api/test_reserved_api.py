from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.sandbox.api.fakes import refusal_of, subnet

if TYPE_CHECKING:
    from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets


def reserve(cloud: Cloud, **more: Any) -> str:
    wanted = {
        "InstanceType": "m6i.large",
        "InstancePlatform": "Linux/UNIX",
        "AvailabilityZone": "us-east-1b",
        "InstanceCount": 1,
        "InstanceMatchCriteria": "targeted",
        **more,
    }
    made = cloud.client().create_capacity_reservation(**wanted)["CapacityReservation"]
    return str(made["CapacityReservationId"])


def into(cloud: Cloud, reservation_id: str, **more: Any) -> Any:
    target = {"CapacityReservationTarget": {"CapacityReservationId": reservation_id}}
    return cloud.launch(CapacityReservationSpecification=target, **more)


def free(cloud: Cloud, reservation_id: str) -> tuple[str, int]:
    found = cloud.client().describe_capacity_reservations(CapacityReservationIds=[reservation_id])
    (one,) = found["CapacityReservations"]
    return one["State"], one["AvailableInstanceCount"]


def test_launches_count_a_reservation_down_and_ends_count_it_up(cloud: Cloud) -> None:
    reservation_id = reserve(cloud)
    cloud.order(kind="no-room", instance_type="m6i.*")
    assert free(cloud, reservation_id) == ("active", 1)
    made = into(cloud, reservation_id)
    assert (made["CapacityReservationId"], made["Placement"]["AvailabilityZone"]) == (reservation_id, "us-east-1b")
    assert free(cloud, reservation_id) == ("active", 0)
    assert refusal_of(lambda: into(cloud, reservation_id)) == "ReservationCapacityExceeded"
    cloud.client().terminate_instances(InstanceIds=[made["InstanceId"]])
    assert free(cloud, reservation_id) == ("active", 1)


def test_a_reservation_is_for_its_own_type_zone_and_market(cloud: Cloud) -> None:
    reservation_id = reserve(cloud)
    elsewhere = {"SubnetId": subnet(cloud, "us-east-1a")}
    block = {"InstanceMarketOptions": {"MarketType": "capacity-block"}}
    for options in ({"InstanceType": "m6i.xlarge"}, elsewhere, block):
        assert refusal_of(lambda: into(cloud, reservation_id, **options)) == "ReservationCapacityExceeded"  # noqa: B023
    assert cloud.machines.made == {}
    assert refusal_of(lambda: into(cloud, "cr-0absent")) == "InvalidCapacityReservationId.NotFound"
    assert refusal_of(lambda: free(cloud, "cr-0absent")) == "InvalidCapacityReservationId.NotFound"


def test_an_open_reservation_takes_what_fits_unless_told_not_to(cloud: Cloud) -> None:
    reservation_id = reserve(cloud, InstanceCount=2, InstanceMatchCriteria="open")
    none = {"CapacityReservationSpecification": {"CapacityReservationPreference": "none"}}
    assert "CapacityReservationId" not in cloud.launch(**none)
    assert "CapacityReservationId" not in cloud.launch(InstanceType="m6i.xlarge")
    assert cloud.launch()["CapacityReservationId"] == reservation_id


def test_a_reservation_is_scheduled_active_expired_or_cancelled(cloud: Cloud) -> None:
    now, hour = datetime.now(UTC), timedelta(hours=1)
    assert free(cloud, reserve(cloud, StartDate=now + hour)) == ("scheduled", 0)
    assert free(cloud, reserve(cloud, EndDate=now - hour)) == ("expired", 0)
    cancelled = reserve(cloud)
    cloud.client().cancel_capacity_reservation(CapacityReservationId=cancelled)
    assert free(cloud, cancelled) == ("cancelled", 0)
    assert refusal_of(lambda: into(cloud, cancelled)) == "ReservationCapacityExceeded"


def test_reservations_are_found_by_tag(cloud: Cloud) -> None:
    tags = [{"ResourceType": "capacity-reservation", "Tags": [{"Key": "team", "Value": "ml"}]}]
    tagged = reserve(cloud, TagSpecifications=tags)
    reserve(cloud)
    by_tag = [{"Name": "tag:team", "Values": ["ml"]}, {"Name": "state", "Values": ["active"]}]
    found = cloud.client().describe_capacity_reservations(Filters=by_tag)["CapacityReservations"]
    assert [one["CapacityReservationId"] for one in found] == [tagged]


def test_a_capacity_block_is_offered_bought_and_launched_into(cloud: Cloud) -> None:
    ec2 = cloud.client()
    offers = ec2.describe_capacity_block_offerings(InstanceType="m6i.large", InstanceCount=1, CapacityDurationHours=24)
    offer = offers["CapacityBlockOfferings"][0]
    bought = ec2.purchase_capacity_block(
        CapacityBlockOfferingId=offer["CapacityBlockOfferingId"], InstancePlatform="Linux/UNIX"
    )["CapacityReservation"]
    assert (bought["ReservationType"], bought["State"]) == ("capacity-block", "active")
    market = {"InstanceMarketOptions": {"MarketType": "capacity-block"}}
    assert refusal_of(lambda: into(cloud, bought["CapacityReservationId"])) == "ReservationCapacityExceeded"
    made = into(cloud, bought["CapacityReservationId"], **market)
    assert (made["InstanceLifecycle"], made["Placement"]["AvailabilityZone"]) == (
        "capacity-block",
        offer["AvailabilityZone"],
    )
    assert refusal_of(lambda: ec2.purchase_capacity_block(CapacityBlockOfferingId="cb-x", InstancePlatform="L")) == (
        "InvalidParameterValue"
    )
