"""Calls made on trial: EC2 says whether it would carry them out, and does not (`DryRun`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from amiforge.ec2.capacity import Candidate
from amiforge.ec2.key_pair import KeyPair
from amiforge.ec2.launch import Order, request
from amiforge.ec2.network import Subnet
from amiforge.ec2.preflight.finding import Finding, Unasked, ask, fact, problem, warning
from amiforge.ec2.preflight.image_name import RUN
from amiforge.ec2.preflight.services import Services
from amiforge.ec2.preflight.wanted import Wanted
from amiforge.ec2.refusal import code, kind
from amiforge.ec2.reservations import places
from amiforge.ec2.resolve import ResolvedImage
from amiforge.ec2.tags import Tags
from amiforge.errors import AwsRefused

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import RunInstancesRequestTypeDef

#: Actions that are asked about here, and need not be asked about elsewhere.
TRIED = frozenset({"ec2:RunInstances", "ec2:ImportKeyPair", "ec2:CreateSecurityGroup"})


@dataclass(frozen=True, slots=True)
class Trial:
    """A call to be made on trial: its IAM action, the option that decides it, and the call."""

    action: str
    what: str
    where: str
    call: Callable[[], object]


def trials(
    services: Services, wanted: Wanted, image: ResolvedImage | None, subnets: Sequence[Subnet]
) -> Iterator[Trial]:
    """Give the making calls of a bake that EC2 can be asked about before anything is there, as far as they are known.

    Every type and market is tried once, in the first subnet that a bake would take for it.

    Raises:
        ConfigError: there is no place to launch in.
        AwsRefused: capacity reservations may not be described.
    """
    tags = Tags(RUN, "2026-01-01T00:00:00Z", wanted.settings.tags)
    yield _import_key(services, tags)
    if subnets and not wanted.builder.security_groups:
        yield _create_group(services, tags, subnets[0].vpc)
    if image and subnets and (wanted.builder.instance_types or wanted.builder.capacity_reservations):
        yield from _launches(services, Order("builder", image, wanted.builder, "", "", "", tags), subnets)


def _import_key(services: Services, tags: Tags) -> Trial:
    key = KeyPair.new("amiforge").public.encode()
    return Trial(
        "ec2:ImportKeyPair",
        "import a key",
        "",
        lambda: services.clients.ec2.import_key_pair(
            KeyName=f"amiforge-{RUN}-trial",
            PublicKeyMaterial=key,
            TagSpecifications=tags.temporary("trial", "key-pair"),
            DryRun=True,
        ),
    )


def _create_group(services: Services, tags: Tags, vpc: str) -> Trial:
    return Trial(
        "ec2:CreateSecurityGroup",
        "make a security group",
        "",
        lambda: services.clients.ec2.create_security_group(
            GroupName=f"amiforge-{RUN}-trial",
            Description="amiforge",
            VpcId=vpc,
            TagSpecifications=tags.temporary("trial", "security-group"),
            DryRun=True,
        ),
    )


def _launches(services: Services, order: Order, subnets: Sequence[Subnet]) -> Iterator[Trial]:
    firsts: dict[tuple[str, str, str], Candidate] = {}
    for place in places(services.clients, order.builder, subnets):
        firsts.setdefault((place.instance_type, place.market, place.reservation), place)
    for place in firsts.values():
        call = launch(order, place)
        yield Trial(
            "ec2:RunInstances",
            f"launch {place}",
            "builder.instance_types",
            lambda call=call: services.clients.ec2.run_instances(**call, DryRun=True),  # type: ignore[misc]
        )


def launch(order: Order, place: Candidate) -> RunInstancesRequestTypeDef:
    """Give the launch of a builder as it will be, but for what is not there yet: the key, a temporary group."""
    call = request(order, place, 0)
    for name in ("KeyName", "ClientToken", "UserData"):
        call.pop(name)  # type: ignore[misc]
    for interface in call["NetworkInterfaces"]:
        interface.pop("Groups")
        if order.builder.security_groups:
            interface["Groups"] = list(order.builder.security_groups)
    return call


def attempt(trial: Trial) -> AwsRefused | Unasked | None:
    """Make a call on trial, and give how EC2 refused it, as it always does; None if it did not."""

    def refusal() -> AwsRefused | None:
        try:
            trial.call()
        except AwsRefused as error:
            return error
        return None

    return ask(refusal)


def judge(tried: Sequence[tuple[Trial, AwsRefused | Unasked | None]]) -> Iterator[Finding]:
    """Say what came of trials; what was refused for the same reason is said once."""
    for _, group in groupby(tried, lambda each: (each[0].action, _said(each[1]))):
        trials, answers = zip(*group, strict=True)
        whats = ", ".join(trial.what for trial in trials)
        yield verdict(replace(trials[0], what=whats), answers[0])


def _said(answer: AwsRefused | Unasked | None) -> object:
    return (code(answer), answer.message) if isinstance(answer, AwsRefused) else answer


def verdict(trial: Trial, answer: AwsRefused | Unasked | None) -> Finding:
    """Give what an answer to a trial means.

    Source: "DryRun", common parameters of the EC2 API reference.
    """
    if isinstance(answer, Unasked):
        return answer.finding("permissions", trial.where)
    if answer is None:
        detail = f"{trial.action}: the endpoint carried out what was asked on trial only"
        return problem("permissions", detail, "check what it made; do not use an endpoint that does not know DryRun")
    said, fix = code(answer), answer.lines.get("fix", "")
    if said == "DryRunOperation":
        return fact("permissions", f"{trial.action}: may {trial.what}", trial.where)
    if said in {"UnauthorizedOperation", "AccessDenied"}:
        detail = f"{trial.action}: may not {trial.what}: {answer.message}"
        return problem("permissions", detail, f"allow {trial.action}; `--policy` prints all that a bake needs")
    detail = f"EC2 would not {trial.what}: {answer.message} ({said})"
    if kind(answer) in {"throttle", "link", "capacity"}:
        return warning("trial", detail, fix or "ask again", trial.where)
    return problem("trial", detail, fix or "change what EC2 complains about", trial.where)
