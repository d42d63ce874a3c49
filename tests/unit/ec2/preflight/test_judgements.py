"""What is made of the answers of AWS, without asking anybody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.credentials import Credentials, RefreshableCredentials

from amiforge.ec2.builder import Builder
from amiforge.ec2.network import Subnet
from amiforge.ec2.preflight import (
    account,
    caller,
    encryption,
    instance_profile,
    instance_types,
    network,
    quotas,
    reserved_room,
    source,
)
from amiforge.ec2.preflight.caller import Caller, Lifetime
from amiforge.ec2.preflight.encryption import Key
from amiforge.ec2.preflight.finding import Finding, Unasked, ask
from amiforge.ec2.preflight.instance_types import InstanceType
from amiforge.ec2.preflight.network import Place
from amiforge.ec2.preflight.source import Source
from amiforge.ec2.preflight.wanted import estimate
from amiforge.ec2.refusal import refused
from amiforge.ec2.resolve import ResolvedImage, Volume
from amiforge.ec2.source_image import SourceImage
from amiforge.errors import SourceImageNotFound

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
IMAGE = ResolvedImage(
    ami="ami-1",
    name="al2023",
    owner="amazon",
    architecture="x86_64",
    root_device="/dev/xvda",
    volumes=(Volume(device="/dev/xvda", gib=8),),
    creation_date="2026-11-01T00:00:00.000Z",
    boot_mode="uefi",
    ena=True,
)
A, B = (
    Subnet("subnet-a", "vpc-1", "us-east-1a", "10.0.0.0/24"),
    Subnet("subnet-b", "vpc-1", "us-east-1b", "10.0.1.0/24"),
)
LARGE = InstanceType("m6i.large", 2)


def levels(found: Iterable[Finding]) -> list[str]:
    return [each.level for each in found if each.level != "fact"]


def details(found: Iterable[Finding], level: str) -> str:
    return "\n".join(each.detail for each in found if each.level == level)


# Who


@pytest.mark.parametrize(
    ("lifetime", "level", "said"),
    [
        (Lifetime("shared-credentials-file", temporary=False, renewed=False, ends=None), "fact", "does not end"),
        (Lifetime("sso", temporary=True, renewed=True, ends=NOW), "fact", "renewed by itself, now until 12:00 UTC"),
        (Lifetime("env", temporary=True, renewed=False, ends=None), "warning", "nobody says when they end"),
        (
            Lifetime("env", temporary=True, renewed=False, ends=NOW + timedelta(minutes=30)),
            "problem",
            "end in 30 min and are not renewed; a bake takes about 60 min",
        ),
        (Lifetime("env", temporary=True, renewed=False, ends=NOW + timedelta(hours=2)), "fact", "end in 120 min"),
        (Lifetime("env", temporary=True, renewed=False, ends=NOW - timedelta(hours=2)), "problem", "end in 0 min"),
    ],
)
def test_credentials_must_outlive_the_bake(lifetime: Lifetime, level: str, said: str) -> None:
    (found,) = caller.judge_lifetime(lifetime, 3600, NOW)
    assert found.level == level
    assert said in found.detail


@pytest.mark.parametrize(("method", "renewed"), [("sso", True), ("assume-role", True), ("env", False)])
def test_credentials_of_the_environment_are_not_renewed(method: str, renewed: bool) -> None:
    ends = datetime.now(UTC) + timedelta(hours=8)
    credentials = RefreshableCredentials("a", "b", "c", ends, dict, method)
    assert caller.lifetime(credentials) == Lifetime(method, temporary=True, renewed=renewed, ends=ends)


@pytest.mark.parametrize(("token", "temporary"), [(None, False), ("t", True)])
def test_a_token_makes_credentials_temporary(token: str | None, temporary: bool) -> None:
    found = caller.lifetime(Credentials("a", "b", token, method="env"))
    assert found == Lifetime("env", temporary=temporary, renewed=False, ends=None)


def test_the_root_user_is_warned_of() -> None:
    assert levels(caller.judge_caller(Caller("1", "arn:aws:iam::1:root"))) == ["warning"]
    assert levels(caller.judge_caller(Caller("1", "arn:aws:iam::1:user/x"))) == []


def test_more_tasks_and_larger_volumes_take_longer() -> None:
    assert estimate(0, 0) < estimate(1, 0) < estimate(1, 100) < estimate(10, 100) < 2 * 3600


# What it starts from


def test_a_fit_source_image_is_a_fact() -> None:
    (found,) = source.judge(Source(IMAGE), 0, "source.ami", NOW)
    assert found.detail == "ami-1 al2023, x86_64, boot mode uefi, ENA yes, root 8 GiB, made 2026-11-01 by amazon"


@pytest.mark.parametrize(
    ("seen", "volume_gib", "level", "said"),
    [
        (Source(IMAGE, root="instance-store"), 0, "problem", "instance-store root"),
        (Source(IMAGE.model_copy(update={"deprecated_since": "2026-01-01T00:00:00Z"})), 0, "warning", "deprecated"),
        (Source(IMAGE.model_copy(update={"deprecated_since": "2027-01-01T00:00:00Z"})), 0, "warning", ""),
        (Source(IMAGE, allowed=False), 0, "warning", "none of the account's Allowed AMIs"),
        (Source(IMAGE, allowed=True), 0, "warning", ""),
        (Source(IMAGE, products=("abc",)), 0, "warning", "AWS Marketplace product (abc)"),
        (Source(IMAGE), 4, "warning", "the builder gets 8 GiB"),
        (Source(IMAGE), 8, "warning", ""),
        (Source(IMAGE, encrypted=True, key="arn:aws:kms:x"), 0, "fact", "encrypted with arn:aws:kms:x"),
    ],
)
def test_what_speaks_against_a_source_image(seen: Source, volume_gib: int, level: str, said: str) -> None:
    found = details(source.judge(seen, volume_gib, "source.ami", NOW), level)
    assert said in found
    assert bool(said) == bool(found)


def test_a_missing_source_image_says_why_and_where_it_is_given() -> None:
    error = SourceImageNotFound("there is no image ami-1", reason="another region", fix="give --region")
    (found,) = source.judge_missing(error, source.place(SourceImage(ami="ami-1")))
    assert found == Finding(
        "problem", "source image", "there is no image ami-1; another region", "give --region", "source.ami"
    )


@pytest.mark.parametrize(
    ("image", "where"),
    [
        (SourceImage(ami="ami-1", name="x"), "source.ami"),
        (SourceImage(parameter="/x", name="x"), "source.parameter"),
        (SourceImage(name="x"), "source.name"),
        (SourceImage(), "source.name"),
    ],
)
def test_the_option_that_decides_the_source_image_is_named(image: SourceImage, where: str) -> None:
    assert source.place(image) == where


# On what


def test_unknown_types_and_other_processors_are_all_named() -> None:
    types = {"m6i.large": LARGE, "m7g.large": InstanceType("m7g.large", 2, ("arm64",))}
    found = list(instance_types.judge_existence(["m6i.large", "m7g.large", "m6i.lrge"], types, "x86_64", "us-east-1"))
    assert details(found, "problem").splitlines() == [
        "m7g.large is arm64, and the image is x86_64",
        "us-east-1 has no type m6i.lrge",
    ]


@pytest.mark.parametrize(
    ("kind", "image", "said"),
    [
        (LARGE, IMAGE, ""),
        (replace(LARGE, boot_modes=("legacy-bios",)), IMAGE, "boots legacy-bios, and ami-1 wants uefi"),
        (replace(LARGE, boot_modes=("legacy-bios",)), IMAGE.model_copy(update={"boot_mode": "uefi-preferred"}), ""),
        (replace(LARGE, boot_modes=("legacy-bios",)), IMAGE.model_copy(update={"boot_mode": ""}), ""),
        (replace(LARGE, ena="required"), IMAGE, ""),
        (replace(LARGE, ena="required"), IMAGE.model_copy(update={"ena": False}), "needs ENA"),
    ],
)
def test_a_type_must_be_able_to_boot_the_image(kind: InstanceType, image: ResolvedImage, said: str) -> None:
    found = details(instance_types.judge_boot({kind.name: kind}, image), "problem")
    assert said in found
    assert bool(said) == bool(found)


@pytest.mark.parametrize(
    ("offers", "expected"),
    [
        ({"a": {"us-east-1a"}, "b": {"us-east-1b"}}, []),
        ({"a": {"us-east-1a"}, "b": {"us-east-1c"}}, ["warning"]),
        ({"a": {"us-east-1d"}, "b": {"us-east-1c"}}, ["problem", "problem"]),
        ({"a": set()}, ["problem"]),
    ],
)
def test_one_type_must_be_offered_in_one_of_the_zones(offers: dict[str, set[str]], expected: list[str]) -> None:
    frozen = {name: frozenset(zones) for name, zones in offers.items()}
    assert levels(instance_types.judge_offers(frozen, ["us-east-1a", "us-east-1b"])) == expected


# Where


def test_missing_subnets_are_all_named_and_one_vpc_is_wanted() -> None:
    places = [Place(A, 9), Place(Subnet("subnet-c", "vpc-2", "us-east-1a", ""), 9)]
    wanted = ["subnet-a", "subnet-c", "subnet-x", "subnet-y"]
    found = details(network.judge_existence(places, wanted, "us-east-1"), "problem").splitlines()
    assert found == [
        "us-east-1 has no subnet subnet-x",
        "us-east-1 has no subnet subnet-y",
        "they are of several VPCs: subnet-a in vpc-1, subnet-c in vpc-2",
    ]


def test_without_subnets_there_must_be_a_default_vpc() -> None:
    assert "no default VPC" in details(network.judge_existence([], [], "us-east-1"), "problem")
    assert not levels(network.judge_existence([Place(A, 9)], [], "us-east-1"))


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([Place(A, 2), Place(B, 100)], []),
        ([Place(A, 1), Place(B, 100)], ["warning"]),
        ([Place(A, 1), Place(B, 0)], ["problem", "problem"]),
        ([Place(A, 9, state="pending")], ["problem"]),
        ([Place(A, 9, ipv4=False)], ["problem"]),
    ],
)
def test_subnets_must_have_room(places: list[Place], expected: list[str]) -> None:
    assert levels(network.judge_room(places)) == expected


def table(*routes: dict[str, str], subnet: str = "") -> Any:
    association = {"SubnetId": subnet} if subnet else {"Main": True}
    return {"VpcId": "vpc-1", "Associations": [association], "Routes": list(routes)}


def to(**way: str) -> dict[str, str]:
    return {"DestinationCidrBlock": "0.0.0.0/0", "State": "active", **way}


IGW, NAT = to(GatewayId="igw-1"), to(NatGatewayId="nat-1")


@pytest.mark.parametrize(
    ("tables", "way"),
    [
        ([table(IGW)], "internet gateway"),
        ([table(IGW), table(NAT, subnet="subnet-a")], "another gateway"),
        ([table(IGW), table(NAT, subnet="subnet-b")], "internet gateway"),
        ([table(IGW), table(subnet="subnet-a")], "none"),
        ([table(to(GatewayId="igw-1", State="blackhole"))], "none"),
        ([table({"DestinationCidrBlock": "10.0.0.0/8", "GatewayId": "igw-1"})], "none"),
        ([table(to(TransitGatewayId="tgw-1"))], "another gateway"),
        ([table(to(GatewayId="vgw-1"))], "another gateway"),
        ([{**table(IGW), "VpcId": "vpc-2"}], "none"),
        ([], "none"),
    ],
)
def test_the_way_out_is_that_of_the_subnets_own_table_else_of_the_main_one(tables: list[Any], way: str) -> None:
    assert network.way_out(A, tables) == way


@pytest.mark.parametrize(
    ("tables", "public", "expected"),
    [
        ([table(IGW)], True, []),
        ([table(NAT)], True, ["problem"]),
        ([table()], True, ["problem"]),
        ([table(NAT)], False, []),
        ([table(IGW)], False, ["warning"]),
        ([table()], False, ["warning"]),
    ],
)
def test_a_public_address_wants_an_internet_gateway_and_a_private_one_a_nat(
    tables: list[Any], public: bool, expected: list[str]
) -> None:
    assert levels(network.judge_routes([Place(A, 9), Place(B, 9)], tables, public=public)) == expected


# With what


KEY = Key("arn:aws:kms:us-east-1:1:key/k", "Enabled", "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "CUSTOMER")


@pytest.mark.parametrize(
    ("key", "level", "said"),
    [
        (KEY, "warning", "cannot be asked"),
        (replace(KEY, state="PendingDeletion"), "problem", "is PendingDeletion"),
        (replace(KEY, state="Disabled"), "problem", "is Disabled"),
        (replace(KEY, usage="SIGN_VERIFY", spec="RSA_2048"), "problem", "symmetric keys"),
        (replace(KEY, arn="arn:aws:kms:eu-west-1:1:key/k"), "problem", "is in eu-west-1"),
        (replace(KEY, keeper="AWS"), "fact", "cannot be shared"),
    ],
)
def test_a_key_must_be_enabled_symmetric_and_of_the_region(key: Key, level: str, said: str) -> None:
    assert said in details(encryption.judge(key, "us-east-1"), level)


def test_a_key_that_is_not_there_is_a_problem_and_one_that_may_not_be_seen_a_warning() -> None:
    assert levels(encryption.judge_unasked(Unasked("no such key (NotFoundException)"), "k")) == ["problem"]
    assert levels(encryption.judge_unasked(Unasked("no (AccessDeniedException)"), "k")) == ["warning"]


def test_the_default_key_says_whether_images_can_be_shared() -> None:
    assert "cannot be shared" in details(encryption.judge_default("alias/aws/ebs"), "fact")
    assert "cannot be shared" not in details(encryption.judge_default("arn:aws:kms:x"), "fact")


@pytest.mark.parametrize(("roles", "expected"), [(None, ["problem"]), ((), ["problem"]), (("arn:role",), [])])
def test_an_instance_profile_must_be_there_and_have_a_role(roles: tuple[str, ...] | None, expected: list[str]) -> None:
    assert levels(instance_profile.judge("p", roles)) == expected


# How much


@pytest.mark.parametrize(
    ("name", "code", "spot"),
    [
        ("m6i.large", "L-1216C47A", "L-34B43A08"),
        ("t3.micro", "L-1216C47A", "L-34B43A08"),
        ("p5en.48xlarge", "L-417A185B", "L-7212CCBC"),
        ("g6e.xlarge", "L-DB2E81BA", "L-3819A6DF"),
        ("vt1.3xlarge", "L-DB2E81BA", "L-3819A6DF"),
        ("trn2.48xlarge", "L-2C3B7624", "L-6B0D517C"),
        ("inf2.xlarge", "L-1945791B", "L-B5D1601B"),
        ("u-6tb1.56xlarge", "L-43DA4232", ""),
        ("hpc7g.4xlarge", "L-F7808C92", ""),
    ],
)
def test_a_type_counts_towards_the_quota_of_its_family(name: str, code: str, spot: str) -> None:
    group = quotas.group(name)
    assert group
    assert (quotas.quota_code(group, "on-demand"), quotas.quota_code(group, "spot")) == (code, spot)


def test_types_whose_quota_is_not_known_are_said_so() -> None:
    assert quotas.group("mac2.metal") is None
    assert "not known for mac2.metal" in details(
        quotas.judge([InstanceType("mac2.metal", 8)], "on-demand", {}, {}), "fact"
    )


@pytest.mark.parametrize(
    ("limit", "market", "expected"),
    [
        (20, "on-demand", []),
        (19, "on-demand", ["warning"]),
        (5, "on-demand", ["problem", "problem"]),
        (5, "spot", ["warning", "warning"]),
    ],
)
def test_the_quota_must_have_room_beside_what_runs(limit: float, market: str, expected: list[str]) -> None:
    types = {"m6i.large": LARGE, "m6i.4xlarge": InstanceType("m6i.4xlarge", 16)}
    used = quotas.count([("m6i.large", market), ("m6i.large", market), ("p5.48xlarge", market)], types)
    limits = dict.fromkeys(quotas.codes(list(types.values()), market), limit)
    assert levels(quotas.judge(list(types.values()), market, limits, used)) == expected


def test_the_fix_of_a_small_quota_is_the_command_that_asks_for_enough() -> None:
    (found,) = (each for each in quotas.judge([LARGE], "on-demand", {"L-1216C47A": 1}, {}) if each.level == "problem")
    assert found.detail == "m6i.large has 2 vCPUs, and Standard (A, C, D, H, I, M, R, T, Z) allows 1, of which 0 run"
    assert "--quota-code L-1216C47A --desired-value 2" in found.fix


RESERVATION: Any = {
    "CapacityReservationId": "cr-1",
    "State": "active",
    "InstanceType": "p5.48xlarge",
    "AvailabilityZone": "us-east-1a",
    "AvailableInstanceCount": 1,
}


@pytest.mark.parametrize(
    ("found", "markets", "expected"),
    [
        (RESERVATION, ("capacity-reservation",), []),
        ({**RESERVATION, "AvailableInstanceCount": 0}, ("capacity-reservation",), ["warning"]),
        ({**RESERVATION, "State": "expired"}, ("capacity-reservation",), ["problem"]),
        ({**RESERVATION, "AvailabilityZone": "us-east-1c"}, ("capacity-reservation",), ["problem"]),
        (None, ("capacity-reservation",), ["problem"]),
        (None, ("capacity-reservation", "on-demand"), ["warning"]),
    ],
)
def test_reserved_room_must_be_usable_unless_there_is_other(found: Any, markets: Any, expected: list[str]) -> None:
    builder = Builder(markets=markets, capacity_reservations=("cr-1",))
    assert levels(reserved_room.judge([("cr-1", found)], builder, [A])) == expected


# The account


@pytest.mark.parametrize(
    ("state", "found", "expected"),
    [("disabled", False, []), ("audit-mode", False, []), ("enabled", True, []), ("enabled", False, ["warning"])],
)
def test_allowed_images_may_be_why_the_source_image_is_not_found(state: str, found: bool, expected: list[str]) -> None:
    settings: Any = {"State": state, "ImageCriteria": [{"ImageProviders": ["amazon"]}], "ManagedBy": "account"}
    assert levels(account.judge_allowed(settings, found=found)) == expected


# Questions without an answer


def test_a_refused_question_is_a_finding_with_the_reason_and_a_problem_only_if_the_bake_asks_it_too() -> None:
    def refuse() -> None:
        raise refused("GetServiceQuota", "AccessDenied", "you may not")

    answer = ask(refuse)
    assert isinstance(answer, Unasked)
    assert answer.finding("quota") == Finding(
        "warning",
        "quota",
        "could not be asked: GetServiceQuota: you may not (AccessDenied)",
        "allow this action in the caller's IAM policy",
    )
    assert answer.finding("quota", needed=True).level == "problem"
    assert not answer.passing
