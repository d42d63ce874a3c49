from __future__ import annotations

import pytest

from amiforge.ec2.builder import Builder
from amiforge.ec2.capacity import Candidate
from amiforge.ec2.launch import Order
from amiforge.ec2.network import Subnet
from amiforge.ec2.preflight import trial
from amiforge.ec2.preflight.finding import Unasked
from amiforge.ec2.preflight.trial import Trial
from amiforge.ec2.refusal import refused
from amiforge.ec2.tags import Tags
from tests.unit.ec2.preflight.test_judgements import IMAGE

LAUNCH = Trial("ec2:RunInstances", "launch", "builder.instance_types", lambda: None)


@pytest.mark.parametrize(
    ("code", "level"),
    [
        ("DryRunOperation", "fact"),
        ("UnauthorizedOperation", "problem"),
        ("VcpuLimitExceeded", "problem"),
        ("InvalidParameterValue", "problem"),
        ("OptInRequired", "problem"),
        ("RequestLimitExceeded", "warning"),
        ("InsufficientInstanceCapacity", "warning"),
    ],
)
def test_an_answer_to_a_trial_is_what_the_call_itself_would_get(code: str, level: str) -> None:
    found = trial.verdict(LAUNCH, refused("RunInstances", code, "EC2 says so"))
    assert found.level == level
    assert bool(found.fix) == (level != "fact")


def test_an_endpoint_that_carries_out_a_trial_is_a_problem() -> None:
    assert trial.attempt(LAUNCH) is None
    assert trial.verdict(LAUNCH, None).level == "problem"
    assert trial.verdict(LAUNCH, Unasked("no endpoint")).level == "warning"


def test_what_is_refused_for_the_same_reason_is_said_once() -> None:
    def no(operation: str) -> object:
        return refused(operation, "UnauthorizedOperation", "no")

    tried = [
        (Trial("ec2:RunInstances", f"launch {name}", "", lambda: None), no("RunInstances")) for name in ("m6i", "m7i")
    ]
    (found,) = trial.judge(tried)  # type: ignore[arg-type]
    assert "may not launch m6i, launch m7i" in found.detail


@pytest.mark.parametrize("groups", [(), ("sg-1",)])
def test_the_launch_on_trial_is_the_builders_but_for_what_is_not_there_yet(groups: tuple[str, ...]) -> None:
    builder = Builder(security_groups=groups, profile="p")
    order = Order("builder", IMAGE, builder, "key", "sg-temporary", "data", Tags("run", "2026-01-01T00:00:00Z"))
    call = trial.launch(order, Candidate("m6i.large", Subnet("subnet-a", "vpc-1", "us-east-1a", "")))
    assert {"KeyName", "ClientToken", "UserData"}.isdisjoint(call)
    assert call["IamInstanceProfile"] == {"Name": "p"}
    assert call["MetadataOptions"]["HttpTokens"] == "required"
    assert call["NetworkInterfaces"][0].get("Groups", []) == list(groups)
