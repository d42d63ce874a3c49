from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from amiforge.ec2.builder import Builder
from amiforge.ec2.policy import Place, Statement, statements
from amiforge.ec2.preflight import simulation
from amiforge.ec2.preflight.caller import Caller
from amiforge.ec2.preflight.finding import Unasked
from amiforge.ec2.preflight.simulation import Decision
from amiforge.ec2.refusal import refused
from amiforge.ec2.source_image import SourceImage

USER = "arn:aws:iam::1:user/x"


class Iam:
    """IAM that denies some actions."""

    def __init__(self, denied: tuple[str, ...] = (), role: str = "") -> None:
        self.denied, self.role = denied, role
        self.asked: list[dict[str, Any]] = []

    def get_role(self, RoleName: str) -> Any:  # noqa: N803 - as boto3 calls it
        if not self.role:
            raise refused("GetRole", "AccessDenied", "no")
        return {"Role": {"Arn": self.role}}

    def get_paginator(self, _name: str) -> Iam:
        return self

    def paginate(self, **asked: Any) -> Any:
        self.asked.append(asked)
        if "all" in self.denied:
            raise refused("SimulatePrincipalPolicy", "AccessDenied", "no")
        return [
            {"EvaluationResults": [{"EvalActionName": name, "EvalDecision": self._decision(name)}]}
            for name in asked["ActionNames"]
        ]

    def _decision(self, action: str) -> str:
        return "implicitDeny" if action in self.denied else "allowed"


def services(iam: Iam) -> Any:
    return SimpleNamespace(iam=iam)


@pytest.mark.parametrize(
    ("arn", "role", "expected"),
    [
        (USER, "", USER),
        ("arn:aws:sts::1:assumed-role/bake/me", "arn:aws:iam::1:role/path/bake", "arn:aws:iam::1:role/path/bake"),
        ("arn:aws-cn:sts::1:assumed-role/bake/me", "", "arn:aws-cn:iam::1:role/bake"),
    ],
)
def test_the_policies_of_a_session_are_those_of_its_role(arn: str, role: str, expected: str) -> None:
    assert simulation.principal(services(Iam(role=role)), Caller("1", arn)) == expected


def test_a_federated_user_has_no_policies_to_simulate() -> None:
    found = simulation.principal(services(Iam()), Caller("1", "arn:aws:sts::1:federated-user/x"))
    assert isinstance(found, Unasked)


def test_what_is_not_allowed_is_a_problem_that_names_the_action() -> None:
    found = simulation.subjects(statements(SourceImage(), Builder(), Place("us-east-1", "1")))
    iam = Iam(denied=("ec2:StopInstances",))
    problem, *facts = simulation.judge_all(services(iam), USER, found)
    assert (problem.level, problem.detail) == ("problem", "ec2:StopInstances is not allowed, says IAM's simulation")
    assert [each.level for each in facts] == ["fact"]
    asked = {name for each in iam.asked for name in each["ActionNames"]}
    assert "ec2:RunInstances" not in asked, "it was tried"
    assert {"ec2:CreateImage", "ec2:TerminateInstances", "ec2:DeleteSecurityGroup"} <= asked


def test_the_simulation_is_asked_about_things_like_those_of_a_bake() -> None:
    iam = Iam()
    ours = Statement("x", ("ec2:StopInstances",), ("arn:aws:ec2:*:*:instance/*",), {"StringLike": {"key": "*"}})
    simulation.simulate(services(iam), "arn:aws:iam::123:user/x", ours)
    (asked,) = iam.asked
    assert asked["ResourceArns"] == ["arn:aws:ec2:us-east-1:123:instance/i-0123456789abcdef0"]
    assert asked["ContextEntries"] == [
        {"ContextKeyName": "key", "ContextKeyValues": ["trial"], "ContextKeyType": "string"}
    ]


@pytest.mark.parametrize(
    ("pattern", "example"),
    [
        ("arn:aws:ec2:eu-west-1::image/*", "arn:aws:ec2:eu-west-1::image/example-0123456789abcdef0"),
        ("arn:aws:ec2:eu-west-1:*:key-pair/amiforge-*", "arn:aws:ec2:eu-west-1:9:key-pair/amiforge-trial"),
        ("arn:aws:ssm:eu-west-1::parameter/aws/service/x", "arn:aws:ssm:eu-west-1::parameter/aws/service/x"),
        ("arn:aws:iam::*:role/*", "arn:aws:iam::9:role/example-0123456789abcdef0"),
    ],
)
def test_an_example_stands_for_a_pattern(pattern: str, example: str) -> None:
    assert simulation.example(pattern, "9") == example


@pytest.mark.parametrize(
    ("decision", "level", "said"),
    [
        (Decision("a:B", "implicitDeny"), "problem", "not allowed"),
        (Decision("a:B", "explicitDeny"), "problem", "denied"),
        (Decision("a:B", "implicitDeny", by_organization=True), "problem", "denied by a policy of the organization"),
        (Decision("a:B", "implicitDeny", missing=("aws:SourceIp",)), "warning", "want to know aws:SourceIp"),
        (Decision("a:B", "explicitDeny", missing=("aws:SourceIp",)), "problem", "denied"),
        (Decision("a:B", "allowed"), "fact", "allowed"),
    ],
)
def test_what_a_decision_means(decision: Decision, level: str, said: str) -> None:
    (found,) = simulation.judge([decision])
    assert found.level == level
    assert said in found.detail


def test_where_the_simulation_may_not_be_asked_that_is_said_once() -> None:
    found = simulation.subjects(statements(SourceImage(), Builder(), Place()))
    (said,) = simulation.judge_all(services(Iam(denied=("all",))), USER, found)
    assert (said.level, said.title) == ("warning", "permissions")
