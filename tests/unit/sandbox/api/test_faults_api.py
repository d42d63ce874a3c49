from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from tests.unit.sandbox.api.fakes import SOURCE, refused

if TYPE_CHECKING:
    from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets


SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=k/20250101/us-east-1/ec2/aws4_request, SignedHeaders=host"}


def send(cloud: Cloud, body: bytes, headers: dict[str, str]) -> None:
    urlopen(Request(cloud.url, body, headers, method="POST"))  # noqa: S310


def test_an_ordered_fault_hits_the_next_calls_and_then_is_over(cloud: Cloud) -> None:
    cloud.order(operation="RunInstances", error="InsufficientInstanceCapacity", times=2)
    for _ in range(2):
        with pytest.raises(ClientError) as error:
            cloud.launch()
        assert refused(error) == "InsufficientInstanceCapacity"
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert cloud.launch()["InstanceId"]


def test_a_fault_can_wait_for_the_nth_call_of_any_operation(cloud: Cloud) -> None:
    cloud.order(operation="*", error="Boom", skip=1)
    cloud.client().describe_images(Owners=["self"])
    with pytest.raises(ClientError) as error:
        cloud.client("ssm").get_parameter(Name="/x")
    assert refused(error) == "Boom"
    cloud.client().describe_images(Owners=["self"])


def test_a_lost_answer_means_done_but_not_told(cloud: Cloud) -> None:
    cloud.order(operation="RunInstances", lost=True)
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        cloud.launch(ClientToken="t1")
    assert len(cloud.machines.made) == 1
    assert cloud.launch(ClientToken="t1")["InstanceId"] in cloud.machines.made
    assert len(cloud.machines.made) == 1


def test_calls_are_listed_in_order_with_their_outcome(cloud: Cloud) -> None:
    cloud.client().describe_images(Owners=["self"])
    with pytest.raises(ClientError):
        cloud.launch(ImageId="ami-0absent")
    cloud.client("sts").get_caller_identity()
    seen = [(call["service"], call["operation"], call["mutating"], call["outcome"]) for call in cloud.ask("calls")]
    assert seen == [
        ("ec2", "DescribeImages", False, "ok"),
        ("ec2", "RunInstances", True, "InvalidAMIID.NotFound"),
        ("sts", "GetCallerIdentity", False, "ok"),
    ]
    cloud.ask("calls", "DELETE")
    assert cloud.ask("calls") == []


def test_a_fault_that_makes_no_sense_is_refused(cloud: Cloud) -> None:
    with pytest.raises(HTTPError) as error:
        cloud.order(operator="x")
    with error.value as answer:
        assert answer.status == 400


def test_an_operation_the_sandbox_lacks_is_refused_as_ec2_does(cloud: Cloud) -> None:
    ec2 = cloud.client()
    cloud.launch()
    for call in (
        ec2.get_serial_console_access_status,
        lambda: ec2.enable_fast_launch(ImageId=SOURCE.id),
        lambda: ec2.describe_instances(Filters=[{"Name": "metadata-options.http-tokens", "Values": ["x"]}]),
        lambda: cloud.client("s3").list_buckets(),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert refused(error) == "UnsupportedOperation"


def test_an_operation_that_does_not_exist_is_an_invalid_action(cloud: Cloud) -> None:
    with pytest.raises(HTTPError) as error:
        send(cloud, b"Action=MakeCoffee&Version=2016-11-15", SIGNED)
    with error.value as answer:
        assert answer.status == 400
        assert b"<Code>InvalidAction</Code>" in answer.read()


def test_an_unsigned_request_is_refused(cloud: Cloud) -> None:
    with pytest.raises(HTTPError) as error:
        send(cloud, b"Action=DescribeInstances&Version=2016-11-15", {})
    with error.value as answer:
        assert answer.status == 401


def test_health_names_instances_and_images(cloud: Cloud) -> None:
    instance_id, image_id = cloud.baked()
    health = cloud.ask("health")
    assert health == {"instances": {instance_id: cloud.state(instance_id)}, "images": [image_id]}
