"""What IAM's own simulation says of the calls that cannot be made on trial, because their object is not there yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from amiforge.ec2.policy import Statement
from amiforge.ec2.preflight.caller import Caller
from amiforge.ec2.preflight.finding import Finding, Unasked, ask, fact, problem, warning
from amiforge.ec2.preflight.services import Services
from amiforge.ec2.preflight.trial import TRIED

_TITLE = "permissions"
_ROLE = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.*")
#: Ids that stand for things which are not there yet.
_EXAMPLES = {"instance": "i-0123456789abcdef0", "key-pair": "amiforge-trial"}
#: IAM takes few calls a second.
_AT_ONCE = 4
_EXAMPLE = "example-0123456789abcdef0"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the simulation says of one action: `allowed`, `implicitDeny` or `explicitDeny`.

    Attributes:
        by_organization: a policy of the organization says no.
        missing: context that a policy wants to know, and that was not given.
    """

    action: str
    said: str
    by_organization: bool = False
    missing: tuple[str, ...] = ()


def subjects(found: Sequence[Statement]) -> tuple[Statement, ...]:
    """Give the statements that are proven neither by a call on trial nor by asking anyway."""
    proven = {*TRIED, "ssm:GetParameter"}
    return tuple(each for each in found if not (set(each.actions) <= proven or each.resources == ("*",)))


def principal(services: Services, caller: Caller) -> str | Unasked:
    """Give the ARN that IAM knows a caller's policies by; a role's may have a path, which its session does not show."""
    role = _ROLE.fullmatch(caller.arn)
    if not role:
        if caller.arn.split(":")[2] == "iam":
            return caller.arn
        return Unasked(f"IAM has no policies of {caller.arn} to simulate")
    answer = ask(lambda: str(services.iam.get_role(RoleName=role["role"])["Role"]["Arn"]))
    if isinstance(answer, Unasked):
        return f"arn:{role['partition']}:iam::{role['account']}:role/{role['role']}"
    return answer


def judge_all(services: Services, arn: str, found: Sequence[Statement]) -> Iterator[Finding]:
    """Simulate all statements at once, and say what comes of it; refusals of the simulation itself count once."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda each: simulate(services, arn, each), found))
    yield from judge([decision for each in answers if not isinstance(each, Unasked) for decision in each])
    yield from dict.fromkeys(each.finding(_TITLE) for each in answers if isinstance(each, Unasked))


def simulate(services: Services, arn: str, statement: Statement) -> tuple[Decision, ...] | Unasked:
    """Ask what the simulation says of a statement's actions, on examples of its resources."""

    def evaluate() -> tuple[Decision, ...]:
        pages = services.iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=arn,
            ActionNames=list(statement.actions),
            ResourceArns=[example(resource, arn.split(":")[4]) for resource in statement.resources],
            ContextEntries=list(context(statement)),
        )
        return tuple(_decision(each) for page in pages for each in page["EvaluationResults"])

    return ask(evaluate)


def example(resource: str, account: str) -> str:
    """Give one ARN of those that a pattern stands for."""
    *front, region, owner, name = resource.split(":", 5)
    kind, _, rest = name.partition("/")
    rest = rest.replace("*", _EXAMPLES.get(kind, _EXAMPLE)) if rest == "*" else rest.replace("*", "trial")
    return ":".join((*front, region.replace("*", "us-east-1"), owner.replace("*", account), f"{kind}/{rest}"))


def context(statement: Statement) -> Iterator[Mapping[str, Any]]:
    """Give the context in which a statement's condition holds."""
    for operator, keys in statement.condition.items():
        for key, value in keys.items():
            values = [value] if isinstance(value, str) else list(value)
            yield {
                "ContextKeyName": key,
                "ContextKeyValues": [values[-1].replace("*", "trial")],
                "ContextKeyType": {"Bool": "boolean", "ForAnyValue:StringEquals": "stringList"}.get(operator, "string"),
            }


def judge(decisions: Sequence[Decision]) -> Iterator[Finding]:
    """Say which actions are not allowed, and which are."""
    fix = "`--policy` prints all that a bake needs"
    for each in decisions:
        if each.said == "allowed":
            continue
        if each.missing and each.said != "explicitDeny":
            detail = f"{each.action}: the caller's policies want to know {', '.join(each.missing)}, which is not known"
            yield warning(_TITLE, detail, fix)
            continue
        reason = " by a policy of the organization" if each.by_organization else ""
        denied = "denied" if each.said == "explicitDeny" or reason else "not allowed"
        yield problem(
            _TITLE, f"{each.action} is {denied}{reason}, says IAM's simulation", f"allow {each.action}; {fix}"
        )
    if allowed := sorted({each.action for each in decisions if each.said == "allowed"}):
        yield fact(_TITLE, f"{', '.join(allowed)}: allowed, says IAM's simulation")


def _decision(found: Mapping[str, Any]) -> Decision:
    organization = found.get("OrganizationsDecisionDetail", {})
    return Decision(
        found["EvalActionName"],
        found["EvalDecision"],
        by_organization=not organization.get("AllowedByOrganizations", True),
        missing=tuple(found.get("MissingContextValues", ())),
    )
