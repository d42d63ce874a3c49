"""Answers to questions that are asked before a bake."""

from __future__ import annotations

import pytest

from amiforge.sandbox.api.identity_calls import quota
from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets

STANDARD, STANDARD_SPOT, P = "L-1216C47A", "L-34B43A08", "L-417A185B"


def test_the_account_is_a_new_one(cloud: Cloud) -> None:
    ec2 = cloud.client()
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    assert ec2.get_image_block_public_access_state()["ImageBlockPublicAccessState"] == "block-new-sharing"
    assert ec2.get_allowed_images_settings()["State"] == "disabled"


def test_the_default_vpc_leads_to_the_internet(cloud: Cloud) -> None:
    (table,) = cloud.client().describe_route_tables()["RouteTables"]
    (way,) = [route for route in table["Routes"] if route["DestinationCidrBlock"] == "0.0.0.0/0"]
    assert way["GatewayId"].startswith("igw-")
    assert way["State"] == "active"


def test_the_caller_is_a_user_who_may_do_everything(cloud: Cloud) -> None:
    arn = cloud.client("sts").get_caller_identity()["Arn"]
    assert arn.startswith("arn:aws:iam::123456789012:user/")
    answer = cloud.client("iam").simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["ec2:StopInstances", "ec2:CreateImage"], ResourceArns=["*"]
    )
    decisions = [(each["EvalActionName"], each["EvalDecision"]) for each in answer["EvaluationResults"]]
    assert decisions == [("ec2:StopInstances", "allowed"), ("ec2:CreateImage", "allowed")]


def test_a_quota_is_what_was_ordered(cloud: Cloud) -> None:
    quotas = cloud.client("service-quotas")

    def value(code: str) -> float:
        return float(quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"])

    plenty = value(STANDARD)
    cloud.order(kind="quota", vcpus=4, instance_type="m6i.*")
    assert (value(STANDARD), value(P)) == (4, plenty)


@pytest.mark.parametrize(
    ("market", "instance_type", "hit"),
    [
        ("on-demand", "m6i.*", {STANDARD}),
        ("spot", "c*", {STANDARD_SPOT}),
        ("*", "t3.micro", {STANDARD, STANDARD_SPOT}),
        ("on-demand", "*", {STANDARD, P}),
    ],
)
def test_an_order_counts_for_the_quota_of_its_types(market: str, instance_type: str, hit: set[str]) -> None:
    fault = {"kind": "quota", "vcpus": 4, "instance_type": instance_type, "market": market}
    assert {code for code in (STANDARD, STANDARD_SPOT, P) if quota(code, [fault]) == 4} == hit
