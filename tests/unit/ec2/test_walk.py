"""What a launch does about everything that EC2 may answer."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amiforge.ec2.builder import Builder
from amiforge.ec2.capacity import Candidate, candidates
from amiforge.ec2.instances import Instance, terminate_instances
from amiforge.ec2.launch import Order, launch, token
from amiforge.ec2.network import Subnet, subnets
from amiforge.ec2.resolve import ResolvedImage, Volume
from amiforge.ec2.tags import Tags
from amiforge.errors import AwsRefused, BakeError, LaunchFailed
from tests.unit.ec2.cloud import LOST, Cloud

FULL = "InsufficientInstanceCapacity"
RUN = "RunInstances"
PROFILE = (
    "InvalidParameterValue: Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile"
)
TYPES = ("m6i.large", "g6.xlarge")
DEADLINE = 600


def order(cloud: Cloud, **options: object) -> Order:
    groups = cloud.clients.ec2.describe_security_groups()["SecurityGroups"]
    image = ResolvedImage(
        ami=cloud.source,
        name="source",
        owner="1",
        architecture="x86_64",
        root_device="/dev/xvda",
        volumes=(Volume(device="/dev/xvda", gib=20),),
        creation_date="",
    )
    builder = Builder.model_validate({"instance_types": TYPES, **options})
    return Order("builder", image, builder, "key", groups[0]["GroupId"], "data", Tags("run-1", "2099-01-01T00:00:00Z"))


def where(cloud: Cloud) -> list[Subnet]:
    return sorted(subnets(cloud.clients, ()), key=lambda subnet: subnet.zone)[:2]


def places(cloud: Cloud, wanted: Order, *, zones: int = 2) -> tuple[Candidate, ...]:
    return candidates(wanted.builder, where(cloud)[:zones], stopped=False)


def run(cloud: Cloud, *, zones: int = 2, patience: float = 0, **options: Any) -> Instance:
    markets = options.pop("markets", ("on-demand",))
    wanted = order(cloud, markets=markets)
    return launch(cloud.clients, wanted, places(cloud, wanted, zones=zones), DEADLINE, patience=patience, **options)


def heard(cloud: Cloud) -> list[str]:
    """Let the cloud's clients tell what they wait for."""
    said: list[str] = []
    pace = replace(cloud.clients.pace, on_wait=lambda what, _, detail: said.append(f"{what}: {detail}"))
    cloud.clients = replace(cloud.clients, pace=pace)
    return said


def faults(*codes: str) -> dict[int | tuple[str, int], str]:
    return {(RUN, number): code for number, code in enumerate(codes, 1) if code}


def succeeds(place: str, sent: int, tokens: int) -> Callable[[Cloud], None]:
    def check(cloud: Cloud) -> None:
        instance = run(cloud)
        kind, _, nth = place.partition(" ")
        zone = where(cloud)[int(nth)].zone
        assert (instance.instance_type, instance.zone, instance.state) == (kind, zone, "running")
        assert cloud.alive == [instance.id]
        assert (len(cloud.tokens), len(set(cloud.tokens))) == (sent, tokens)

    return check


def fails(error: type[BakeError], message: str, sent: int, **lines: str) -> Callable[[Cloud], None]:
    def check(cloud: Cloud) -> None:
        with pytest.raises(error, match=message) as caught:
            run(cloud)
        for label, text in lines.items():
            assert text in caught.value.lines[label]
        assert (len(cloud.tokens), cloud.alive) == (sent, [])

    return check


#: What happened at the first launches; what became of it, with how many calls and how many tokens.
TABLE: dict[str, tuple[tuple[str, ...], Callable[[Cloud], None]]] = {
    "room at once": ((), succeeds("m6i.large 0", 1, 1)),
    "no room: the next zone": ((FULL,), succeeds("m6i.large 1", 2, 2)),
    "no room for the type anywhere": ((FULL, FULL), succeeds("g6.xlarge 0", 3, 3)),
    "the zone lacks the type": (("Unsupported",), succeeds("m6i.large 1", 2, 2)),
    "no address left in the subnet": (("InsufficientFreeAddressesInSubnet",), succeeds("m6i.large 1", 2, 2)),
    "quota: no other zone of the family": (("VcpuLimitExceeded",), succeeds("g6.xlarge 0", 2, 2)),
    "throttled: the same again": (("RequestLimitExceeded",) * 3, succeeds("m6i.large 0", 4, 1)),
    "lost answers: the same again": ((LOST, LOST), succeeds("m6i.large 0", 3, 1)),
    "a server error: the same again": (("InternalError", "ServiceUnavailable"), succeeds("m6i.large 0", 3, 1)),
    "a profile not known yet: the same again": ((PROFILE,), succeeds("m6i.large 0", 2, 1)),
    "a key not known yet: the same again": (("InvalidKeyPair.NotFound",), succeeds("m6i.large 0", 2, 1)),
    "its instance is gone: a new token": (("IdempotentInstanceTerminated",), succeeds("m6i.large 0", 2, 2)),
    "everything at once": (
        ("RequestLimitExceeded", FULL, "InternalError", FULL, "RequestLimitExceeded", LOST),
        succeeds("g6.xlarge 0", 7, 3),
    ),
    "no room anywhere": (
        (FULL,) * 4,
        fails(LaunchFailed, "no room for the builder instance in any of 4 places", 4, answers=FULL, fix="patience"),
    ),
    "no quota at all": (
        ("VcpuLimitExceeded", "VcpuLimitExceeded"),
        fails(LaunchFailed, "no room", 2, answers="VcpuLimitExceeded", fix="Service Quotas"),
    ),
    "no volume quota": (("VolumeLimitExceeded",), fails(AwsRefused, "as the test asked", 1, fix="Service Quotas")),
    "a new region": (("PendingVerification",), fails(AwsRefused, "as the test asked", 1, fix="try later")),
    "credentials ran out": (("ExpiredToken",), fails(AwsRefused, "as the test asked", 1, fix="new credentials")),
    "not allowed": (("UnauthorizedOperation",), fails(AwsRefused, "as the test asked", 1, fix="IAM policy")),
    "a code nobody knows": (("BlueMoon",), fails(AwsRefused, "as the test asked", 1, code="BlueMoon")),
    "another request with this token": (
        ("IdempotentParameterMismatch",),
        fails(AwsRefused, "as the test asked", 1, fix="launched with other parameters"),
    ),
}


@pytest.mark.parametrize("what", TABLE)
def test_every_answer_leads_to_one_instance_or_to_an_error_that_says_what_helps(cloud: Cloud, what: str) -> None:
    codes, check = TABLE[what]
    cloud.faults.update(faults(*codes))
    check(cloud)
    assert cloud.most <= 1


@pytest.mark.parametrize(
    ("birth", "check"),
    [
        ("terminated Server.InsufficientInstanceCapacity", succeeds("m6i.large 1", 2, 2)),
        ("terminated Server.InternalError", succeeds("m6i.large 1", 2, 2)),
        ("pending", succeeds("m6i.large 1", 2, 2)),
        ("shutting-down Server.InsufficientInstanceCapacity", succeeds("m6i.large 1", 2, 2)),
        ("terminated Client.InternalError", fails(LaunchFailed, "will not be running", 1, fix="KMS key")),
        ("terminated Client.VolumeLimitExceeded", fails(LaunchFailed, "will not be running", 1, fix="EBS storage")),
        (
            "terminated Client.UserInitiatedShutdown",
            fails(LaunchFailed, "will not be running", 1, reason="Client.User"),
        ),
    ],
)
def test_an_instance_that_never_runs_is_ended_and_another_place_tried_if_that_may_help(
    cloud: Cloud, birth: str, check: Callable[[Cloud], None]
) -> None:
    cloud.births[1] = birth
    check(cloud)
    assert cloud.most <= 1


@pytest.mark.parametrize("attempt", range(4))
def test_a_lost_answer_at_any_attempt_gives_exactly_one_instance(cloud: Cloud, attempt: int) -> None:
    cloud.faults.update(faults(*[FULL] * attempt, LOST))
    succeeds(f"{TYPES[attempt // 2]} {attempt % 2}", attempt + 2, attempt + 1)(cloud)


@pytest.mark.parametrize(("code", "seconds"), [("InvalidGroup.NotFound", 120), ("RequestLimitExceeded", DEADLINE)])
def test_what_does_not_pass_is_told_when_its_time_is_over(cloud: Cloud, code: str, seconds: float) -> None:
    cloud.faults.update(faults(*[code] * 200))
    with pytest.raises(AwsRefused) as caught:
        run(cloud)
    assert caught.value.lines["code"] == code
    assert seconds <= cloud.clients.pace.clock() < seconds + 20
    assert len(set(cloud.tokens)) == 1


def test_patience_goes_round_again_and_says_for_what_it_waits(cloud: Cloud) -> None:
    said = heard(cloud)
    cloud.faults.update(faults(*[FULL] * 9))
    instance = run(cloud, patience=6 * 3600)
    zone = where(cloud)[1].zone
    assert (instance.instance_type, instance.zone) == ("m6i.large", zone)
    assert len(set(cloud.tokens)) == 10
    assert f"room for m6i.large in {zone}: 4 of 4 places tried, round 3, 6 h left" in said
    assert cloud.clients.pace.clock() > 60


def test_patience_has_an_end(cloud: Cloud) -> None:
    cloud.faults.update(faults(*[FULL] * 1000))
    with pytest.raises(LaunchFailed) as caught:
        run(cloud, patience=3600)
    assert 3600 <= cloud.clients.pace.clock() < 3700
    assert caught.value.lines["tried"] == "for 60 min"
    assert len(cloud.tokens) == len(set(cloud.tokens)) > 8


def test_no_patience_helps_against_a_quota(cloud: Cloud) -> None:
    cloud.faults.update(faults("VcpuLimitExceeded", "VcpuLimitExceeded"))
    with pytest.raises(LaunchFailed):
        run(cloud, patience=3600)
    assert cloud.clients.pace.clock() < 60


def test_spot_comes_before_what_costs_more_where_that_is_wanted(cloud: Cloud) -> None:
    cloud.faults.update(faults("SpotMaxPriceTooLow", "MaxSpotInstanceCountExceeded", FULL))
    assert run(cloud, markets=("spot", "on-demand"), zones=1).instance_type == "g6.xlarge"
    assert len(set(cloud.tokens)) == 4


def sent_before(cloud: Cloud, place: int, number: int) -> str:
    """Give the token of an attempt that a process made which died before it was answered."""
    wanted = order(cloud)
    return token(wanted, places(cloud, wanted)[place], number)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("number", [0, 2])
def test_a_launch_without_a_known_answer_is_sent_again_first(cloud: Cloud, place: int, number: int) -> None:
    unanswered = sent_before(cloud, place, number)
    earlier = [sent_before(cloud, place, each) for each in range(number)]
    instance = run(cloud, unanswered=unanswered, spent=[*earlier, unanswered])
    assert cloud.tokens == [unanswered]
    assert run(cloud, unanswered=unanswered, spent=[*earlier, unanswered]) == instance
    assert cloud.alive == [instance.id]


def test_when_that_place_is_full_by_now_the_others_are_tried_and_it_is_not_asked_twice(cloud: Cloud) -> None:
    unanswered = sent_before(cloud, 2, 0)
    cloud.faults.update(faults(*[FULL] * 4))
    with pytest.raises(LaunchFailed):
        run(cloud, unanswered=unanswered, spent=[unanswered])
    assert cloud.tokens == [sent_before(cloud, place, 0) for place in (2, 0, 1, 3)]


def test_a_launch_that_cannot_be_repeated_says_how_to_go_on(cloud: Cloud) -> None:
    with pytest.raises(LaunchFailed) as caught:
        run(cloud, unanswered="run-1-unheard-of")
    assert "amiforge gc --run run-1" in caught.value.lines["fix"]
    assert cloud.tokens == []


def test_a_run_whose_instance_was_taken_away_gets_another_one(cloud: Cloud) -> None:
    first = run(cloud)
    spent = list(cloud.tokens)
    terminate_instances(cloud.clients, [first.id])
    assert run(cloud, spent=spent).id != first.id
    assert len(set(cloud.tokens)) == len(cloud.tokens) == 2


def test_a_run_that_forgot_its_tokens_gets_another_one_too(cloud: Cloud) -> None:
    terminate_instances(cloud.clients, [run(cloud).id])
    second = run(cloud)
    assert cloud.alive == [second.id]
    assert len(cloud.tokens) == 3


answers = st.sampled_from((*[FULL] * 3, "VcpuLimitExceeded", "Unsupported", "RequestLimitExceeded", LOST, PROFILE, ""))
births = st.sampled_from(
    ("", "pending", "terminated Server.InsufficientInstanceCapacity", "terminated Client.InternalError")
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    codes=st.lists(answers, max_size=12),
    fates=st.lists(births, max_size=3),
    patience=st.sampled_from((0, 900)),
    markets=st.sampled_from((("on-demand",), ("spot", "on-demand"))),
)
def test_whatever_is_answered_there_is_one_instance_or_none_and_an_end(
    cloud: Cloud, codes: list[str], fates: list[str], patience: float, markets: tuple[str, ...]
) -> None:
    cloud.start_over()
    cloud.faults.update(faults(*codes))
    cloud.births.update(enumerate(fates, 1))
    started = cloud.clients.pace.clock()
    try:
        made = [run(cloud, patience=patience, markets=markets).id]
    except (LaunchFailed, AwsRefused):
        made = []
    assert cloud.alive == made
    assert cloud.most <= 1
    # Each attempt may wait for its instance, and for answers to a call, as long as it may take.
    attempts = len(set(cloud.tokens))
    assert cloud.clients.pace.clock() - started < patience + 60 + 2 * (DEADLINE + 30) * attempts
    changes = [each for each, following in itertools.pairwise(cloud.tokens) if each != following]
    assert len(changes) == attempts - 1, "a token that was left is never used again"
    assert all(re.fullmatch(r"run-1-[0-9a-f]{24}", each) for each in cloud.tokens)
