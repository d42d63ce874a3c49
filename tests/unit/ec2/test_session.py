from __future__ import annotations

from typing import Any

import pytest
from moto import mock_aws

from amiforge.ec2.refusal import kind, refused
from amiforge.ec2.session import Call, is_local, open_clients
from amiforge.errors import AwsRefused, ConfigError
from amiforge.settings import AwsSettings
from tests.unit.ec2.cloud import LOST, SETTINGS, Cloud, open_cloud


def test_no_region_anywhere_is_an_error_that_names_every_place_to_give_one() -> None:
    with pytest.raises(ConfigError) as caught:
        open_clients(AwsSettings())
    assert caught.value.lines["fix"].split(",")[:2] == ["give --region", " set AWS_REGION or AWS_DEFAULT_REGION"]


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_may_come_from_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "eu-central-1")
    assert open_clients(AwsSettings()).region == "eu-central-1"


def test_an_unknown_profile_is_an_error() -> None:
    with pytest.raises(ConfigError, match="nobody"):
        open_clients(AwsSettings(region="us-east-1", profile="nobody"))


def test_real_credentials_never_reach_an_endpoint_on_this_machine() -> None:
    clients = open_clients(AwsSettings(region="us-east-1", endpoint_url="http://127.0.0.1:5000"))
    assert clients.local
    signers: list[Any] = [vars(client)["_request_signer"] for client in (clients.ec2, clients.once, clients.ssm)]
    assert {signer._credentials.access_key for signer in signers} == {"local"}


@pytest.mark.parametrize(
    ("url", "local"),
    [("http://127.0.0.1:5000", True), ("http://localhost", True), ("", False), ("https://ec2.example.org", False)],
)
def test_what_an_endpoint_on_this_machine_is(url: str, local: bool) -> None:
    assert is_local(url) is local


def test_whoever_must_keep_credentials_to_himself_is_told_before_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    with mock_aws():
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very secret")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "a token")
        clients = open_clients(SETTINGS, on_secret=lambda secret: told.append(secret.reveal()))
        assert told == []
        clients.ec2.describe_images(Owners=["self"])
    assert told == ["very secret", "a token"]


def test_missing_credentials_are_our_error_with_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AwsRefused) as caught:
        open_clients(SETTINGS).ec2.describe_images()
    assert caught.value.lines["code"] == "NoCredentialsError"
    assert "--profile" in caught.value.lines["fix"]


def test_a_refusal_carries_operation_code_and_a_fix(cloud: Cloud) -> None:
    with pytest.raises(AwsRefused, match="DescribeImages: ") as caught:
        cloud.clients.ec2.describe_images(ImageIds=["ami-0123456789abcdef0"])
    assert caught.value.lines["operation"] == "DescribeImages"
    assert caught.value.lines["code"] == "InvalidAMIID.NotFound"
    assert "--region" in caught.value.lines["fix"]


def test_creating_calls_are_sent_once_and_others_again(cloud: Cloud) -> None:
    cloud.faults.update({1: "InternalError", 2: "InternalError"})
    with pytest.raises(AwsRefused):
        cloud.clients.once.run_instances(ImageId=cloud.source, MinCount=1, MaxCount=1)
    cloud.clients.ec2.describe_images()
    assert cloud.calls == ["RunInstances", "DescribeImages", "DescribeImages"]


def test_calls_that_change_something_are_told_before_and_after_and_without_user_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    heard: list[Call] = []
    with mock_aws():
        cloud = open_cloud(heard.append)
        cloud.faults[3] = LOST
        once = cloud.clients.once
        once.run_instances(ImageId=cloud.source, MinCount=1, MaxCount=1, UserData="private")
        cloud.clients.ec2.describe_instances()
        with pytest.raises(AwsRefused):
            once.create_security_group(GroupName="g", Description="d")
    assert [(call.operation, call.phase) for call in heard] == [
        ("RunInstances", "asked"),
        ("RunInstances", "answered"),
        ("CreateSecurityGroup", "asked"),
        ("CreateSecurityGroup", "refused"),
    ]
    assert "UserData" not in heard[0].about
    assert heard[1].about["InstanceId"][0].startswith("i-")
    assert heard[3].about["code"] == "ReadTimeoutError"


def test_an_encoded_authorization_failure_is_left_out() -> None:
    said = "You are not authorized. Encoded authorization failure message: aaaaBBBB"
    assert refused("RunInstances", "UnauthorizedOperation", said).message == "RunInstances: You are not authorized."


@pytest.mark.parametrize(
    ("code", "message", "wanted"),
    [
        ("InsufficientInstanceCapacity", "", "capacity"),
        ("Unsupported", "", "capacity"),
        ("VcpuLimitExceeded", "", "quota"),
        ("RequestLimitExceeded", "", "throttle"),
        ("ReadTimeoutError", "", "link"),
        ("InvalidGroup.NotFound", "", "eventual"),
        ("InvalidParameterValue", "Value (x) for parameter iamInstanceProfile.name is invalid", "eventual"),
        ("InvalidParameterValue", "Invalid size", "permanent"),
        ("ExpiredToken", "", "credentials"),
        ("NeverHeardOf", "", "permanent"),
    ],
)
def test_every_refusal_is_of_one_kind(code: str, message: str, wanted: str) -> None:
    assert kind(refused("RunInstances", code, message)) == wanted
