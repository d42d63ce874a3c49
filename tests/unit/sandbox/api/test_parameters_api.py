"""SSM parameters: public ones in every region, own ones that are kept, values that must be images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.sandbox.api.fakes import PARAMETER, SOURCE, refusal_of, until

if TYPE_CHECKING:
    from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets

IMAGE = {"Type": "String", "DataType": "aws:ec2:image"}
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-2")


def value(cloud: Cloud, name: str, region: str = "us-east-1") -> str:
    try:
        return str(cloud.client("ssm", region).get_parameter(Name=name)["Parameter"]["Value"])
    except cloud.client("ssm", region).exceptions.ParameterNotFound:
        return ""


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_has_zones_types_source_images_and_public_parameters(cloud: Cloud, region: str) -> None:
    ec2 = cloud.client(region=region)
    assert value(cloud, PARAMETER, region) == SOURCE.id
    assert cloud.image(SOURCE.id, region)["State"] == "available"
    assert region in {one["RegionName"] for one in ec2.describe_regions()["Regions"]}
    offered = ec2.describe_instance_type_offerings(Filters=[{"Name": "instance-type", "Values": ["m6i.large"]}])
    assert offered["InstanceTypeOfferings"]
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    assert {one["AvailabilityZone"][:-1] for one in subnets} == {region}
    run = ec2.run_instances(ImageId=f"resolve:ssm:{PARAMETER}", InstanceType="m6i.large", MinCount=1, MaxCount=1)
    assert run["Instances"][0]["Placement"]["AvailabilityZone"][:-1] == region
    assert run["Instances"][0]["InstanceId"] in cloud.machines.made


def test_a_pointer_is_there_once_its_value_is_known_to_be_an_image_of_the_region(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    ssm = cloud.client("ssm")
    assert ssm.put_parameter(Name="/a/current", Value=image_id, **IMAGE)["Version"] == 1
    assert value(cloud, "/a/current") == ""
    until(lambda: value(cloud, "/a/current") == image_id)
    west = cloud.client("ssm", "us-west-2")
    assert west.put_parameter(Name="/a/current", Value=image_id, **IMAGE)["Version"] == 1
    assert ssm.put_parameter(Name="/a/current", Value="ami-0absent", Overwrite=True, **IMAGE)["Version"] == 2
    ssm.put_parameter(Name="/a/current", Value=SOURCE.id, Overwrite=True)
    until(lambda: value(cloud, "/a/current") == SOURCE.id)
    assert value(cloud, "/a/current", "us-west-2") == ""
    history = ssm.get_parameter_history(Name="/a/current")["Parameters"]
    assert [(one["Value"], one["DataType"]) for one in history] == [
        (image_id, "aws:ec2:image"),
        (SOURCE.id, "aws:ec2:image"),
    ]


def test_a_pointer_is_as_late_as_was_ordered_and_refused_where_it_was(cloud: Cloud) -> None:
    cloud.order(kind="late", what="parameter", seconds=100, region="us-east-1")
    cloud.order(operation="PutParameter", error="AccessDeniedException", region="us-west-2")
    ssm, west = cloud.client("ssm"), cloud.client("ssm", "us-west-2")
    ssm.put_parameter(Name="/a", Value=SOURCE.id, **IMAGE)
    assert refusal_of(lambda: west.put_parameter(Name="/a", Value=SOURCE.id, **IMAGE)) == "AccessDeniedException"
    west.put_parameter(Name="/a", Value=SOURCE.id, **IMAGE)
    until(lambda: value(cloud, "/a", "us-west-2") == SOURCE.id)
    assert value(cloud, "/a") == ""
    cloud.ask("faults", "DELETE")
    until(lambda: value(cloud, "/a") == SOURCE.id)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "ParameterAlreadyExists"),
        ({"Overwrite": True, "DataType": "aws:ec2:image"}, "ValidationException"),
        ({"Overwrite": True, "Tags": [{"Key": "a", "Value": "b"}]}, "ValidationException"),
        ({"Name": f"{PARAMETER}-mine"}, "AccessDeniedException"),
        ({"Overwrite": True}, ""),
    ],
)
def test_what_parameter_store_does_not_take_is_refused(cloud: Cloud, change: dict[str, Any], code: str) -> None:
    ssm = cloud.client("ssm")
    ssm.put_parameter(Name="/a/b", Value="text", Type="String")
    wanted = {"Name": "/a/b", "Value": SOURCE.id, "Type": "String", **change}
    assert refusal_of(lambda: ssm.put_parameter(**wanted)) == code


def test_own_parameters_come_back_when_the_server_starts_again(open_cloud: Callable[[], Cloud]) -> None:
    before = open_cloud()
    west = before.client("ssm", "us-west-2")
    west.put_parameter(Name="/a/current", Value=SOURCE.id, Tags=[{"Key": "run", "Value": "r1"}], **IMAGE)
    until(lambda: value(before, "/a/current", "us-west-2") == SOURCE.id)
    for text in ("one", "two"):
        west.put_parameter(Name="/a/note", Value=text, Type="SecureString", Overwrite=True)
    west.label_parameter_version(Name="/a/note", ParameterVersion=1, Labels=["stable"])
    west.put_parameter(Name="/top", Value="kept", Type="String", Tags=[{"Key": "run", "Value": "r2"}])
    west.put_parameter(Name="/b", Value="gone", Type="String")
    west.delete_parameter(Name="/b")
    after = open_cloud().client("ssm", "us-west-2")
    found = after.get_parameters_by_path(Path="/a", Recursive=True, WithDecryption=True)["Parameters"]
    assert {one["Name"]: (one["Value"], one["DataType"]) for one in found} == {
        "/a/current": (SOURCE.id, "aws:ec2:image"),
        "/a/note": ("two", "text"),
    }
    assert after.get_parameter(Name="/a/note:stable", WithDecryption=True)["Parameter"]["Value"] == "one"
    for name, run in (("/a/current", "r1"), ("/top", "r2")):
        tags = after.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
        assert tags == [{"Key": "run", "Value": run}]
    assert after.get_parameters(Names=["/a/note", "/b"])["InvalidParameters"] == ["/b"]
    assert open_cloud().client("ssm").get_parameters(Names=["/a/note"])["Parameters"] == []
