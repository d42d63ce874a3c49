from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from amiforge.ec2.builder import Builder
from amiforge.ec2.network import Subnet
from amiforge.ec2.refusal import refused
from amiforge.ec2.reservations import places, unusable
from amiforge.errors import AwsRefused, ConfigError
from tests.unit.ec2.cloud import Cloud

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import CapacityReservationTypeDef

A, B = Subnet("subnet-a", "vpc", "us-east-1a", "10.0.0.0/24"), Subnet("subnet-b", "vpc", "us-east-1b", "10.0.1.0/24")


def held(**differs: Any) -> CapacityReservationTypeDef:
    found: CapacityReservationTypeDef = {
        "CapacityReservationId": "cr-1",
        "State": "active",
        "InstanceType": "p5.48xlarge",
        "AvailabilityZone": "us-east-1b",
        "ReservationType": "capacity-block",
        "Tenancy": "default",
        "EndDate": datetime.now(UTC) + timedelta(days=1),
    }
    return {**found, **differs}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("differs", "reason"),
    [
        ({}, ""),
        ({"AvailableInstanceCount": 0}, ""),
        ({"State": "expired"}, "it is expired"),
        ({"State": "scheduled", "StartDate": datetime(2099, 1, 2, 3, 4, tzinfo=UTC)}, "begins 2099-01-02 03:04 UTC"),
        ({"ReservationType": "default"}, "it is a capacity-reservation, which is not among"),
        ({"Interruptible": True}, "interruptible"),
        ({"Tenancy": "dedicated"}, "dedicated"),
        ({"AvailabilityZone": "us-east-1f"}, "it is in us-east-1f, where none of the subnets is"),
        ({"EndDate": datetime.now(UTC) + timedelta(minutes=20)}, "last half hour"),
    ],
)
def test_a_reservation_that_cannot_be_used_says_why(differs: dict[str, Any], reason: str) -> None:
    said = unusable(held(**differs), ("capacity-block",), (A, B))
    assert reason in said
    assert bool(said) == bool(reason)


@pytest.fixture
def told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let EC2 know one block, and note what is told."""
    said: list[str] = []
    pace = replace(cloud.clients.pace, on_wait=lambda what, _, detail: said.append(f"{what}: {detail}"))
    cloud.clients = replace(cloud.clients, pace=pace)

    def answer(_self: object, CapacityReservationIds: list[str]) -> dict[str, Any]:  # noqa: N803 - boto's name
        if CapacityReservationIds != ["cr-1"]:
            raise refused("DescribeCapacityReservations", "InvalidCapacityReservationId.NotFound", "no such thing")
        return {"CapacityReservations": [held()]}

    monkeypatch.setattr(type(cloud.clients.ec2), "describe_capacity_reservations", answer)
    return said


def wanted(*ids: str, markets: tuple[str, ...] = ("capacity-block",)) -> Builder:
    return Builder.model_validate({"markets": markets, "capacity_reservations": ids, "instance_types": ("m6i.large",)})


def test_what_cannot_be_used_is_left_out_and_told(cloud: Cloud, told: list[str]) -> None:
    builder = wanted("cr-0", "cr-1", markets=("capacity-block", "spot", "on-demand"))
    assert [f"{place} {place.subnet.id}" for place in places(cloud.clients, builder, (A, B))] == [
        "p5.48xlarge in us-east-1b (capacity-block cr-1) subnet-b",
        "m6i.large in us-east-1a subnet-a",
        "m6i.large in us-east-1b subnet-b",
    ]
    assert told == ["room: without cr-0: there is none in this region"]


@pytest.mark.usefixtures("told")
def test_without_any_place_the_error_names_the_option_and_every_reason(cloud: Cloud) -> None:
    with pytest.raises(ConfigError, match=r"builder\.capacity_reservations") as caught:
        places(cloud.clients, wanted("cr-0", "cr-1"), (A,))
    assert caught.value.lines["reservations"].splitlines() == [
        "cr-0: there is none in this region",
        "cr-1: it is in us-east-1b, where none of the subnets is",
    ]


def test_a_refusal_to_say_is_no_reason_to_leave_it_out(cloud: Cloud) -> None:
    cloud.faults["DescribeCapacityReservations", 1] = "UnauthorizedOperation"
    with pytest.raises(AwsRefused):
        places(cloud.clients, wanted("cr-1"), (A,))
