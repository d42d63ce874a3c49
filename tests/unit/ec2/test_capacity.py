from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from amiforge.ec2.builder import Builder, Market
from amiforge.ec2.capacity import Candidate, Move, Reservation, Walk, after_end, after_refusal, candidates
from amiforge.ec2.network import Subnet
from amiforge.ec2.refusal import refused

A, B = Subnet("subnet-a", "vpc", "a", "10.0.0.0/24"), Subnet("subnet-b", "vpc", "b", "10.0.1.0/24")
TYPES = ("m6i.large", "m7i.large", "g6.xlarge", "gr6.xlarge", "p5.48xlarge")

# Every class of trouble that a launch can meet, and what follows from it.
TROUBLE: dict[Move, tuple[str, ...]] = {
    "elsewhere": (
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientReservedInstanceCapacity",
        "InsufficientCapacityOnOutpost",
        "InsufficientFreeAddressesInSubnet",
        "InsufficientVolumeCapacity",
        "InsufficientAddressCapacity",
        "UnfulfillableCapacity",
        "SpotMaxPriceTooLow",
        "ReservationCapacityExceeded",
    ),
    "never here": ("Unsupported",),
    "other quota": ("VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded"),
    "again": (
        *("RequestLimitExceeded", "Throttling", "ThrottlingException", "EC2ThrottledException"),
        *("InternalError", "ServiceUnavailable", "ReadTimeoutError", "ConnectionClosedError"),
        *("InvalidGroup.NotFound", "InvalidKeyPair.NotFound", "InvalidSubnetID.NotFound"),
    ),
    "renew": ("IdempotentInstanceTerminated",),
    "stop": (
        *("VolumeLimitExceeded", "MaxIOPSLimitExceeded", "PendingVerification"),
        *("ExpiredToken", "RequestExpired", "AuthFailure"),
        *("UnauthorizedOperation", "IdempotentParameterMismatch", "OptInRequired", "NeverSeenBefore"),
    ),
}


@pytest.mark.parametrize(("code", "move"), [(code, move) for move, codes in TROUBLE.items() for code in codes])
def test_every_refusal_has_a_consequence_and_an_unknown_one_is_final(code: str, move: Move) -> None:
    assert after_refusal(refused("RunInstances", code, "no")) == move


def test_a_profile_that_is_not_known_everywhere_yet_is_asked_for_again() -> None:
    told = refused(
        "RunInstances", "InvalidParameterValue", "Value (x) for parameter iamInstanceProfile.name is invalid"
    )
    assert after_refusal(told) == "again"


@pytest.mark.parametrize(
    ("reason", "move"),
    [
        ("Server.InsufficientInstanceCapacity: none", "elsewhere"),
        ("Server.InternalError", "elsewhere"),
        ("Server.SpotInstanceTermination: taken", "elsewhere"),
        ("Client.VolumeLimitExceeded: too much", "stop"),
        ("Client.InternalError: key", "stop"),
        ("Client.UserInitiatedShutdown: by you", "stop"),
        ("", "stop"),
    ],
)
def test_an_end_at_birth_has_a_consequence(reason: str, move: Move) -> None:
    assert after_end(reason) == move


def shown(builder: Builder, *reservations: Reservation, stopped: bool = True) -> list[str]:
    return [f"{each} {each.subnet.id}" for each in candidates(builder, (A, B), reservations, stopped=stopped)]


def test_the_first_type_is_tried_everywhere_before_the_second_anywhere() -> None:
    assert shown(Builder(instance_types=("x", "y"))) == [
        "x in a subnet-a",
        "x in b subnet-b",
        "y in a subnet-a",
        "y in b subnet-b",
    ]


def test_markets_come_one_after_the_other_and_spot_is_not_for_what_is_stopped() -> None:
    builder = Builder(instance_types=("x",), markets=("spot", "on-demand"))
    assert shown(builder) == ["x in a subnet-a", "x in b subnet-b"]
    assert shown(builder, stopped=False) == [
        "x in a (spot) subnet-a",
        "x in b (spot) subnet-b",
        "x in a subnet-a",
        "x in b subnet-b",
    ]


def test_a_reservation_fixes_type_and_zone() -> None:
    builder = Builder(
        instance_types=("x",),
        markets=("capacity-block", "capacity-reservation"),
        capacity_reservations=("cr-1", "cr-2"),
    )
    held = [
        Reservation("cr-1", "capacity-reservation", "p5.48xlarge", "b"),
        Reservation("cr-2", "capacity-block", "p5en.48xlarge", "a"),
        Reservation("cr-3", "capacity-block", "p5en.48xlarge", "elsewhere"),
    ]
    assert shown(builder, *held) == [
        "p5en.48xlarge in a (capacity-block cr-2) subnet-a",
        "p5.48xlarge in b (capacity-reservation cr-1) subnet-b",
    ]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"markets": ("spot",)}, "markets"),
        ({"markets": ()}, "markets"),
        ({"markets": ("auction",)}, "markets"),
        ({"capacity_reservations": ("cr-1",)}, "capacity_reservations"),
        ({"markets": ("capacity-block",)}, "capacity_reservations"),
        ({"spot_max_price": 0.0}, "spot_max_price"),
    ],
)
def test_a_market_that_cannot_be_used_is_refused_by_its_field(options: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Builder.model_validate(options)
    assert caught.value.errors()[0]["loc"][0] == field


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("m6i.large", "c7i.large", True),
        ("g6.xlarge", "gr6.xlarge", True),
        ("g6.xlarge", "vt1.3xlarge", True),
        ("p5.48xlarge", "g6.xlarge", False),
        ("p5.48xlarge", "m6i.large", False),
        ("trn1.2xlarge", "inf2.xlarge", False),
        ("hpc7a.96xlarge", "m6i.large", False),
        ("x2idn.large", "m6i.large", False),
    ],
)
def test_families_of_one_quota_are_known_as_such(one: str, other: str, same: bool) -> None:
    assert (Candidate(one, A).quota == Candidate(other, A).quota) is same
    assert Candidate(one, A).quota != Candidate(one, A, "spot").quota


places = st.builds(
    Candidate, st.sampled_from(TYPES), st.sampled_from((A, B)), st.sampled_from(("on-demand", "spot", "capacity-block"))
)
refusals: st.SearchStrategy[Move] = st.sampled_from(("elsewhere", "never here", "other quota"))


@given(st.lists(places, min_size=1, unique=True), st.data())
def test_a_walk_never_goes_back_to_a_spent_quota_and_asks_the_oldest_refusal_first(
    where: list[Candidate], data: st.DataObject
) -> None:
    walk = Walk(tuple(where), dict.fromkeys(where, 0))
    order: list[Candidate] = []
    spent: set[tuple[str, str]] = set()
    shut: set[Candidate] = set()
    for _ in range(3):
        ahead = walk.round()
        assert len(set(ahead)) == len(ahead)
        assert set(ahead) == {place for place in where if place.quota not in spent and place not in shut}
        asked = [place for place in order if place in ahead]
        assert [place for place in ahead if place in asked] == sorted(set(asked), key=lambda each: _last(order, each))
        for place in filter(walk.open, ahead):
            assert place.quota not in spent
            move: Move = data.draw(refusals)
            walk.refuse(place, "no", move)
            order.append(place)
            spent |= {place.quota} if move == "other quota" else set()
            shut |= {place} if move == "never here" else set()
    assert walk.numbers == {place: order.count(place) for place in where}


def _last(order: list[Candidate], place: Candidate) -> int:
    return max(position for position, each in enumerate(order) if each == place)


@pytest.mark.parametrize("market", ["capacity-reservation", "capacity-block"])
def test_a_quota_never_stands_against_what_is_paid_for_already(market: Market) -> None:
    reserved, free = Candidate("p5.48xlarge", A, market, "cr-1"), Candidate("p5.48xlarge", A)
    walk = Walk((free, reserved), {free: 0, reserved: 0})
    walk.refuse(free, "VcpuLimitExceeded", "other quota")
    assert walk.round() == (reserved,)
