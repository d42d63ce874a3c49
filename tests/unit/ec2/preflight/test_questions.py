"""All questions at once, put to an EC2 in this process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from amiforge.ec2.builder import Builder
from amiforge.ec2.preflight import Finding, Services, Wanted, preflight
from amiforge.ec2.preflight.trial import TRIED
from amiforge.ec2.source_image import SourceImage
from amiforge.settings import BakeSettings
from tests.unit.ec2.cloud import Cloud, refusal

SOURCE = SourceImage(name="al2023-ami-*", owner="123456789012")
BUILDER = Builder(instance_types=("m6i.large", "m7i.large"), ingress=("192.0.2.1/32",))
#: What moto does not know, and so cannot be asked.
UNKNOWN = {"on-demand vCPU quota", "encryption key", "permissions", "public images", "Allowed AMIs"}


def wanted(**builder: object) -> Wanted:
    return Wanted("empty", SOURCE, Builder.model_validate({**BUILDER.model_dump(), **builder}), BakeSettings(), 3)


def of(found: tuple[Finding, ...], level: str) -> dict[str, str]:
    return {each.title: each.detail for each in found if each.level == level}


def refuse(client: Any, operation: str, code: str) -> None:
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(
        f"before-send.{service}.{operation}", lambda request, **_: refusal(request.url, code)
    )


def test_where_a_bake_can_start_there_is_no_problem(services: Services) -> None:
    found = preflight(services, wanted())
    assert of(found, "problem") == {}
    assert set(of(found, "warning")) == UNKNOWN
    facts = of(found, "fact")
    assert facts["caller"].endswith("account 123456789012")
    assert facts["instance types"] == "m6i.large (2 vCPUs), m7i.large (2 vCPUs)"
    assert facts["image name"] == "amiforge-empty-al2023-x86_64-RUN is free"
    assert facts["way in"] == "direct, port 22 for 192.0.2.1/32"


def test_problems_of_all_kinds_are_found_at_once(services: Services) -> None:
    settings = BakeSettings(image_name="al2023-ami-2023.9")
    asked = wanted(
        instance_types=["m7g.large", "m6i.lrge"],
        subnets=["subnet-00000000"],
        profile="nobody",
        kms_key="alias/nothing",
    )
    found = preflight(services, replace(asked, settings=settings))
    assert set(of(found, "problem")) == {
        "instance types",
        "subnets",
        "instance profile",
        "encryption key",
        "image name",
    }
    assert all(each.fix and each.where for each in found if each.level == "problem")
    assert [each.level for each in found] == sorted(
        (each.level for each in found), key=["problem", "warning", "fact"].index
    )


def test_nothing_is_made_and_every_call_that_could_is_on_trial(services: Services, cloud: Cloud) -> None:
    asked: list[tuple[str, Any]] = []
    for client in (services.clients.ec2, services.clients.once, services.iam, services.kms, services.clients.ssm):
        client.meta.events.register(
            "provide-client-params", lambda params, model, **_: asked.append((model.name, params))
        )
    preflight(services, wanted())
    changing = [(name, params) for name, params in asked if not name.startswith(("Describe", "Get", "Simulate"))]
    assert {f"ec2:{name}" for name, _ in changing} == TRIED
    assert all(params["DryRun"] for _, params in changing)
    assert cloud.leftovers() == []


def test_what_aws_refuses_on_trial_is_a_problem_with_its_action(services: Services) -> None:
    refuse(services.clients.ec2, "ImportKeyPair", "UnauthorizedOperation")
    (found,) = (each for each in preflight(services, wanted()) if each.level == "problem")
    assert found.detail.startswith("ec2:ImportKeyPair: may not import a key")
    assert "ec2:ImportKeyPair" in found.fix


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "ExpiredToken", "SignatureDoesNotMatch"])
def test_without_valid_credentials_that_is_all_that_is_said(services: Services, code: str) -> None:
    refuse(services.sts, "GetCallerIdentity", code)
    (found,) = preflight(services, wanted())
    assert (found.level, found.title) == ("problem", "credentials")


def test_what_a_bake_asks_itself_is_a_problem_when_it_may_not_be_asked(services: Services) -> None:
    for operation in ("DescribeImages", "DescribeSubnets"):
        refuse(services.clients.ec2, operation, "UnauthorizedOperation")
    found = preflight(services, wanted())
    assert set(of(found, "problem")) == {"source image", "subnets", "image name"}
    assert any(each.detail.startswith("nothing can be launched on trial") for each in found)


def test_what_a_bake_does_not_ask_is_a_warning_when_it_may_not_be_asked(services: Services) -> None:
    operations = ("DescribeInstanceTypes", "DescribeInstanceTypeOfferings", "DescribeRouteTables", "DescribeInstances")
    for operation in operations:
        refuse(services.clients.ec2, operation, "UnauthorizedOperation")
    found = preflight(services, wanted())
    assert of(found, "problem") == {}
    assert {"instance types", "routes"} <= set(of(found, "warning"))


def test_running_instances_count_towards_the_quota(services: Services, cloud: Cloud) -> None:
    services.clients.ec2.run_instances(ImageId=cloud.source, InstanceType="m5.xlarge", MinCount=2, MaxCount=2)
    asked = replace(services, quotas=Quotas(9))
    found = preflight(asked, wanted())
    detail = of(found, "problem")["on-demand vCPU quota"]
    assert detail.endswith("has 2 vCPUs, and Standard (A, C, D, H, I, M, R, T, Z) allows 9, of which 8 run")
    assert "on-demand vCPU quota" not in of(preflight(replace(services, quotas=Quotas(10)), wanted()), "problem")


class Quotas:
    """Service Quotas with one value for everything."""

    def __init__(self, value: float) -> None:
        self._value = value

    def get_service_quota(self, **_: str) -> dict[str, Any]:
        return {"Quota": {"Value": self._value}}
