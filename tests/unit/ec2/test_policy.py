"""The IAM policy of a bake: as small as the bake, and readable by IAM."""

from __future__ import annotations

import json
from typing import Any

import pytest

from amiforge.ec2.builder import Builder
from amiforge.ec2.policy import Place, Statement, document, statements
from amiforge.ec2.source_image import SourceImage, al2023_image

PLACE = Place("us-west-2", "123456789012")
#: Characters of a managed policy, white space not counted. Source: IAM user guide, "IAM and AWS STS quotas".
LONGEST = 6144
EVERYTHING = {
    "markets": ("on-demand", "spot", "capacity-reservation"),
    "capacity_reservations": ("cr-0123456789abcdef0", "cr-0123456789abcdef1"),
    "subnets": tuple(f"subnet-0123456789abcdef{n}" for n in range(6)),
    "kms_key": "alias/images",
    "profile": "builder",
    "access": "ssm",
}


def of(**builder: Any) -> dict[str, Statement]:
    return {each.step: each for each in statements(al2023_image(), Builder(**builder), PLACE)}


def actions(**builder: Any) -> set[str]:
    return {action for each in of(**builder).values() for action in each.actions}


@pytest.mark.parametrize("builder", [{}, EVERYTHING])
def test_it_fits_into_a_managed_policy(builder: dict[str, Any]) -> None:
    text = json.dumps(document(tuple(of(**builder).values())), separators=(",", ":"))
    assert len(text) < LONGEST


def test_it_is_what_iam_reads() -> None:
    found = document(tuple(of(**EVERYTHING).values()))
    assert found["Version"] == "2012-10-17"
    ids = [each["Sid"] for each in found["Statement"]]
    assert len(set(ids)) == len(ids)
    assert all(each.isalnum() for each in ids), "IAM takes letters and digits only"
    assert {each["Effect"] for each in found["Statement"]} == {"Allow"}
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(found, sort_keys=True))


def test_everything_but_looking_is_for_some_things_only() -> None:
    assert [step for step, each in of(**EVERYTHING).items() if "*" in each.resources] == ["Look"]
    assert all(action.startswith("ec2:Describe") for action in of()["Look"].actions)


#: Things that are not the run's own, and are used without a tag.
FOREIGN = {"CreateGroupInVpc", "LaunchFrom", "TagWhatIsMade", "SourceImage", "Look", "Connect"}


def test_what_is_made_gets_the_tag_of_a_run_and_what_is_used_bears_it() -> None:
    for step, each in of().items():
        assert ("amiforge:run" in str(each.condition)) == (step not in FOREIGN), step


@pytest.mark.parametrize(
    ("options", "more", "fewer"),
    [
        ({"profile": "p"}, {"iam:PassRole"}, set()),
        (
            {"kms_key": "k"},
            {
                "kms:CreateGrant",
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
            },
            set(),
        ),
        (
            {"access": "instance-connect"},
            {"ec2-instance-connect:OpenTunnel", "ec2:DescribeInstanceConnectEndpoints", "ec2:DescribeVpcs"},
            set(),
        ),
        ({"access": "instance-connect", "ingress": ("sg-1",)},
         {"ec2-instance-connect:OpenTunnel", "ec2:DescribeInstanceConnectEndpoints"}, set()),
        ({"bastion": "jump", "address": "private"}, {"ec2:DescribeVpcs"}, set()),
        (
            {"access": "ssm", "profile": "p"},
            {
                "iam:PassRole",
                "ssm:StartSession",
                "ssm:ResumeSession",
                "ssm:TerminateSession",
                "ssmmessages:OpenDataChannel",
            },
            {"ec2:AuthorizeSecurityGroupIngress"},
        ),
        (
            {"security_groups": ("sg-1",)},
            set(),
            {"ec2:CreateSecurityGroup", "ec2:AuthorizeSecurityGroupIngress", "ec2:DeleteSecurityGroup"},
        ),
        (
            {"markets": ("capacity-block",), "capacity_reservations": ("cr-1",)},
            {"ec2:DescribeCapacityReservations"},
            set(),
        ),
        ({"markets": ("on-demand", "spot")}, set(), set()),
    ],
)  # fmt: skip
def test_an_option_brings_the_actions_it_needs_and_no_more(options: Any, more: set[str], fewer: set[str]) -> None:
    assert actions(**options) == (actions() | more) - fewer


@pytest.mark.parametrize(
    ("source", "resource"),
    [
        (SourceImage(ami="ami-1", parameter="/aws/service/x"), None),
        (SourceImage(name="x", owner="self"), None),
        (SourceImage(parameter="/aws/service/x"), "arn:aws:ssm:us-west-2::parameter/aws/service/x"),
        (SourceImage(parameter="/team/image"), "arn:aws:ssm:us-west-2:123456789012:parameter/team/image"),
    ],
)
def test_only_the_parameter_of_the_source_image_may_be_read(source: SourceImage, resource: str | None) -> None:
    found = {each.step: each.resources for each in statements(source, Builder(), PLACE)}
    assert found.get("SourceImage") == ((resource,) if resource else None)


@pytest.mark.parametrize(
    ("key", "resource", "alias"),
    [
        ("arn:aws:kms:us-west-2:1:key/k", "arn:aws:kms:us-west-2:1:key/k", False),
        ("0123-4567", "arn:aws:kms:us-west-2:123456789012:key/0123-4567", False),
        ("alias/images", "arn:aws:kms:us-west-2:123456789012:key/*", True),
        ("arn:aws:kms:us-west-2:1:alias/images", "arn:aws:kms:us-west-2:123456789012:key/*", True),
    ],
)
def test_only_the_key_of_the_builder_may_be_used(key: str, resource: str, alias: bool) -> None:
    for step in ("GrantKey", "UseKey"):
        found = of(kms_key=key)[step]
        assert found.resources == (resource,)
        assert ("alias/images" in str(found.condition)) == alias
    assert of(kms_key=key)["GrantKey"].condition["Bool"] == {"kms:GrantIsForAWSResource": "true"}


def test_only_the_builders_types_may_be_launched_and_only_with_imdsv2() -> None:
    condition = of(instance_types=("m6i.large",))["Launch"].condition["StringEquals"]
    assert condition == {"ec2:InstanceType": ["m6i.large"], "ec2:MetadataHttpTokens": "required"}


def test_a_reservation_decides_the_type_itself() -> None:
    found = of(markets=("capacity-block",), capacity_reservations=("cr-1",))
    assert "InstanceType" not in str(found["Launch"].condition)
    assert PLACE.ec2("capacity-reservation/cr-1")[0] in found["LaunchFrom"].resources


def test_roles_are_passed_to_ec2_of_the_partition() -> None:
    found = statements(SourceImage(), Builder(profile="p"), Place("cn-north-1", "1", "aws-cn"))
    (role,) = (each for each in found if each.step == "PassRole")
    assert role.resources == ("arn:aws-cn:iam::1:role/*",)
    assert role.condition == {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com.cn"}}


def test_what_is_not_known_of_the_place_matches_everything() -> None:
    assert Place().ec2("instance/*", "image/*") == ("arn:aws:ec2:*:*:instance/*", "arn:aws:ec2:*::image/*")
