"""The IAM policy for one bake: the calls it makes, on nothing but what bears its tag wherever EC2 can tell.

Which actions know which resources and conditions: Service Authorization Reference, "Amazon EC2", "AWS Systems Manager",
"AWS Key Management Service", "AWS Identity and Access Management".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from amiforge.ec2.access import SSH_DOCUMENT
from amiforge.ec2.builder import Builder
from amiforge.ec2.source_image import SourceImage
from amiforge.ec2.tags import RUN

Condition = Mapping[str, Mapping[str, str | Sequence[str]]]

#: A thing that the call makes bears our tag; a thing that the call uses bears it.
_MADE: Condition = {"StringLike": {f"aws:RequestTag/{RUN}": "*"}}
OURS: Condition = {"StringLike": {f"aws:ResourceTag/{RUN}": "*"}}

#: Calls that only look, of which EC2 cannot be told on what.
_LOOKS = (
    "DescribeImages",
    "DescribeInstances",
    "DescribeKeyPairs",
    "DescribeSecurityGroups",
    "DescribeSnapshots",
    "DescribeSubnets",
    "DescribeVolumes",
)
#: Calls that not every bake makes: how the making of an image goes on, why a builder does not answer, and what takes
#: back what failed.
SOMETIMES = frozenset(
    {"ec2:DeleteSnapshot", "ec2:DeleteVolume", "ec2:DeregisterImage", "ec2:DescribeSnapshots", "ec2:GetConsoleOutput"}
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy, which allows."""

    step: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Condition = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Give it in IAM's own form."""
        condition = {"Condition": self.condition} if self.condition else {}
        return {
            "Sid": self.step,
            "Effect": "Allow",
            "Action": _one_or_all(self.actions),
            "Resource": _one_or_all(self.resources),
            **condition,
        }


@dataclass(frozen=True, slots=True)
class Place:
    """Where a policy holds; what is not known matches everything."""

    region: str = "*"
    account: str = "*"
    partition: str = "aws"

    def ec2(self, *names: str) -> tuple[str, ...]:
        """Give ARNs of EC2's things, by kind and id: `instance/*`. Those of images and snapshots name no account."""
        return tuple(self.arn("ec2", name, owned=not name.startswith(("image/", "snapshot/"))) for name in names)

    def arn(self, service: str, name: str, *, owned: bool = True, regional: bool = True) -> str:
        """Give an ARN."""
        region, account = self.region if regional else "", self.account if owned else ""
        return f"arn:{self.partition}:{service}:{region}:{account}:{name}"

    @property
    def domain(self) -> str:
        """Give the domain that services of the partition are named in."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"


def statements(source: SourceImage, builder: Builder, place: Place | None = None) -> tuple[Statement, ...]:
    """Give what a bake has to be allowed, step by step.

    Args:
        source: what it starts from.
        builder: what builds it, how it is reached, and what it is given.
        place: where.
    """
    place = place or Place()
    return (
        *_look(source, builder, place),
        *_access(builder, place),
        *_launch(builder, place),
        *_given(builder, place),
        *_image(place),
        *_end(builder, place),
    )


def document(found: Sequence[Statement]) -> dict[str, Any]:
    """Give the policy as IAM reads it."""
    return {"Version": "2012-10-17", "Statement": [each.document() for each in found]}


def _look(source: SourceImage, builder: Builder, place: Place) -> Iterator[Statement]:
    looks = list(_LOOKS)
    if builder.capacity_reservations:
        looks.append("DescribeCapacityReservations")
    if builder.access == "instance-connect":
        looks.append("DescribeInstanceConnectEndpoints")
    if not builder.ingress and (builder.bastion or builder.access == "instance-connect"):
        looks.append("DescribeVpcs")
    yield Statement("Look", tuple(f"ec2:{name}" for name in looks), ("*",))
    if source.parameter and not source.ami:
        # AWS's own public parameters belong to no account.
        owned = not source.parameter.startswith("/aws/service/")
        parameter = place.arn("ssm", f"parameter/{source.parameter.lstrip('/')}", owned=owned)
        yield Statement("SourceImage", ("ssm:GetParameter",), (parameter,))


def _access(builder: Builder, place: Place) -> Iterator[Statement]:
    yield Statement("ImportKey", ("ec2:ImportKeyPair",), place.ec2("key-pair/amiforge-*"), _MADE)
    if not builder.security_groups:
        group = place.ec2("security-group/*")
        yield Statement("CreateGroup", ("ec2:CreateSecurityGroup",), group, _MADE)
        yield Statement("CreateGroupInVpc", ("ec2:CreateSecurityGroup",), place.ec2("vpc/*"))
        if builder.access != "ssm" or builder.ingress:
            yield Statement("OpenGroup", ("ec2:AuthorizeSecurityGroupIngress",), group, OURS)
    if builder.access == "instance-connect":
        endpoint = f"instance-connect-endpoint/{builder.instance_connect_endpoint or '*'}"
        yield Statement("Connect", ("ec2-instance-connect:OpenTunnel",), place.ec2(endpoint))
    if builder.access == "ssm":
        yield from _sessions(place)


def _sessions(place: Place) -> Iterator[Statement]:
    """Source: Systems Manager user guide, "Sample IAM policies for Session Manager"."""
    ours: Condition = {"StringLike": {f"ssm:resourceTag/{RUN}": "*"}}
    document = place.arn("ssm", f"document/{SSH_DOCUMENT}", owned=False)
    own = place.arn("ssm", "session/${aws:userid}-*")
    yield Statement("Connect", ("ssm:StartSession",), place.ec2("instance/*"), ours)
    yield Statement("ConnectBySsh", ("ssm:StartSession",), (document,))
    data = ("ssm:ResumeSession", "ssm:TerminateSession", "ssmmessages:OpenDataChannel")
    yield Statement("OwnSessions", data, (own,))


def _launch(builder: Builder, place: Place) -> Iterator[Statement]:
    kinds: Condition = {
        "StringEquals": {"ec2:InstanceType": list(builder.instance_types), "ec2:MetadataHttpTokens": "required"},
        **_MADE,
    }
    run = ("ec2:RunInstances",)
    made = ["volume/*", "network-interface/*"]
    used = ["image/*", "key-pair/amiforge-*"]
    # Without groups of one's own it is any, because a launch on trial has no temporary one to name.
    used += [f"security-group/{group}" for group in builder.security_groups or ("*",)]
    used += [f"subnet/{subnet}" for subnet in builder.subnets or ("*",)]
    if "spot" in builder.markets:
        made.append("spot-instances-request/*")
    used += [f"capacity-reservation/{each}" for each in builder.capacity_reservations]
    yield Statement("Launch", run, place.ec2("instance/*"), kinds if not builder.capacity_reservations else _MADE)
    yield Statement("LaunchWith", run, place.ec2(*made), _MADE)
    yield Statement("LaunchFrom", run, place.ec2(*used))
    makers = ("ImportKeyPair", "CreateSecurityGroup", "RunInstances", "CreateImage")
    condition: Condition = {"StringEquals": {"ec2:CreateAction": makers}}
    yield Statement(
        "TagWhatIsMade", ("ec2:CreateTags",), (*place.ec2("*/*"), *place.ec2("image/*", "snapshot/*")), condition
    )


def _given(builder: Builder, place: Place) -> Iterator[Statement]:
    """Give what the builder's role and key need; what is not given is not asked for."""
    if builder.profile:
        service: Condition = {"StringEquals": {"iam:PassedToService": f"ec2.{place.domain}"}}
        role = place.arn("iam", "role/*", regional=False)
        yield Statement("PassRole", ("iam:PassRole",), (role,), service)
    if builder.kms_key:
        yield from use_of_key(builder.kms_key, place)


def use_of_key(key: str, place: Place) -> Iterator[Statement]:
    """Give what EC2 has to be allowed on the caller's behalf to encrypt with a KMS key."""
    resource, named = _key(key, place)
    grant: Condition = {"Bool": {"kms:GrantIsForAWSResource": "true"}, **named}
    via: Condition = {"StringLike": {"kms:ViaService": f"ec2.{place.region}.{place.domain}"}, **named}
    uses = ("Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo")
    yield Statement("GrantKey", ("kms:CreateGrant",), (resource,), grant)
    yield Statement("UseKey", tuple(f"kms:{use}" for use in uses), (resource,), via)


def _key(key: str, place: Place) -> tuple[str, Condition]:
    """Give a KMS key as a resource, and the condition that narrows it where it is known by an alias only."""
    if key.startswith("arn:") and ":alias/" not in key:
        return key, {}
    alias = key.rpartition(":")[2]
    if alias.startswith("alias/"):
        return place.arn("kms", "key/*"), {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}
    return place.arn("kms", f"key/{key}"), {}


def _image(place: Place) -> Iterator[Statement]:
    life = ("ModifyInstanceAttribute", "StopInstances", "TerminateInstances", "GetConsoleOutput")
    yield Statement("Builder", tuple(f"ec2:{name}" for name in life), place.ec2("instance/*"), OURS)
    yield Statement("CreateImageOf", ("ec2:CreateImage",), place.ec2("instance/*"), OURS)
    yield Statement("CreateImage", ("ec2:CreateImage",), place.ec2("image/*", "snapshot/*"), _MADE)
    finish = ("ModifyImageAttribute", "DeregisterImage")
    yield Statement("FinishImage", tuple(f"ec2:{name}" for name in finish), place.ec2("image/*"), OURS)
    tags = ("ec2:CreateTags", "ec2:DeleteTags")
    yield Statement("MarkImage", tags, place.ec2("image/*", "snapshot/*"), OURS)


def _end(builder: Builder, place: Place) -> Iterator[Statement]:
    made = (
        ("DeleteKey", "DeleteKeyPair", "key-pair/*"),
        ("DeleteGroup", "DeleteSecurityGroup", "security-group/*"),
        ("DeleteVolume", "DeleteVolume", "volume/*"),
        ("DeleteSnapshot", "DeleteSnapshot", "snapshot/*"),
    )
    for step, action, kind in made:
        if not (step == "DeleteGroup" and builder.security_groups):
            yield Statement(step, (f"ec2:{action}",), place.ec2(kind), OURS)


def _one_or_all(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)
