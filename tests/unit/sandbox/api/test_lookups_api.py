"""What EC2 is asked rather than told: dry runs, filters, pages, offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.sandbox.api.fakes import refusal_of, subnet, until

if TYPE_CHECKING:
    from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets

RUN = [{"Name": "tag:run", "Values": ["r1"]}]


def tags(*kinds: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "run", "Value": "r1"}]} for kind in kinds]


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("create_image", {"Name": "new"}),
        ("stop_instances", {}),
        ("start_instances", {}),
        ("reboot_instances", {}),
        ("terminate_instances", {}),
        ("modify_instance_attribute", {"InstanceInitiatedShutdownBehavior": {"Value": "terminate"}}),
        ("create_tags", {"Tags": [{"Key": "a", "Value": "b"}]}),
        ("delete_tags", {"Tags": [{"Key": "a"}]}),
        ("create_key_pair", {"KeyName": "new"}),
        ("import_key_pair", {"KeyName": "new", "PublicKeyMaterial": b"ssh-ed25519 AAAA"}),
        ("delete_key_pair", {"KeyName": "old"}),
        ("create_security_group", {"GroupName": "new", "Description": "new"}),
        ("delete_security_group", {"GroupName": "old"}),
        ("deregister_image", {"ImageId": "ami-0source"}),
        ("modify_image_attribute", {"ImageId": "OWN", "Description": {"Value": "new"}}),
        ("delete_snapshot", {"SnapshotId": "snap-0source"}),
        ("get_console_output", {}),
        (
            "create_capacity_reservation",
            {
                "InstanceType": "m6i.large",
                "InstancePlatform": "Linux/UNIX",
                "AvailabilityZone": "us-east-1a",
                "InstanceCount": 1,
            },
        ),
    ],
)
def test_a_dry_run_says_that_it_would_have_worked_and_changes_nothing(
    cloud: Cloud, operation: str, arguments: dict[str, Any]
) -> None:
    instance_id, image_id = cloud.baked()
    ec2 = cloud.client()
    before = inventory(cloud)
    wanted = {key: image_id if value == "OWN" else value for key, value in arguments.items()}
    if operation.endswith("_instances"):
        wanted["InstanceIds"] = [instance_id]
    elif operation.endswith("_tags"):
        wanted["Resources"] = [instance_id]
    elif operation in ("create_image", "modify_instance_attribute", "get_console_output"):
        wanted["InstanceId"] = instance_id
    with pytest.raises(ClientError) as error:
        getattr(ec2, operation)(DryRun=True, **wanted)
    answer = error.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("DryRunOperation", 412)
    assert inventory(cloud) == before


def inventory(cloud: Cloud) -> list[Any]:
    ec2 = cloud.client()
    asked = ("instances", "images", "snapshots", "key_pairs", "security_groups", "tags", "capacity_reservations")
    found = [getattr(ec2, f"describe_{what}")() for what in asked]
    return [{key: value for key, value in one.items() if key != "ResponseMetadata"} for one in found]


def test_a_group_name_is_unique_in_its_vpc(cloud: Cloud) -> None:
    wanted = {"GroupName": "g", "Description": "g"}
    cloud.client().create_security_group(**wanted)
    assert refusal_of(lambda: cloud.client().create_security_group(**wanted)) == "InvalidGroup.Duplicate"


def test_everything_of_a_run_is_found_by_its_tag(cloud: Cloud) -> None:
    ec2 = cloud.client()
    ec2.create_key_pair(KeyName="k", TagSpecifications=tags("key-pair"))
    ec2.create_security_group(GroupName="g", Description="g", TagSpecifications=tags("security-group"))
    instance_id = cloud.running(TagSpecifications=tags("instance", "volume", "network-interface"))
    image_id = ec2.create_image(InstanceId=instance_id, Name="image", TagSpecifications=tags("image", "snapshot"))[
        "ImageId"
    ]
    until(lambda: cloud.image(image_id)["State"] == "available")
    cloud.running()
    for what, key in {
        "instances": "Reservations",
        "volumes": "Volumes",
        "network_interfaces": "NetworkInterfaces",
        "images": "Images",
        "snapshots": "Snapshots",
        "key_pairs": "KeyPairs",
        "security_groups": "SecurityGroups",
    }.items():
        assert len(getattr(ec2, f"describe_{what}")(Filters=RUN)[key]) == 1, what
    assert {one["ResourceType"] for one in ec2.describe_tags(Filters=[{"Name": "key", "Values": ["run"]}])["Tags"]} == {
        *("instance", "volume", "network-interface", "image", "snapshot", "key-pair", "security-group")
    }
    for name, value in (("name", "image"), ("source-instance-id", instance_id), ("image-id", image_id)):
        found = ec2.describe_images(Filters=[{"Name": name, "Values": [value]}])["Images"]
        assert [one["ImageId"] for one in found] == [image_id]


def test_tags_can_be_taken_away(cloud: Cloud) -> None:
    ec2 = cloud.client()
    instance_id = cloud.running(TagSpecifications=tags("instance"))
    ec2.delete_tags(Resources=[instance_id], Tags=[{"Key": "run", "Value": "another"}])
    assert len(ec2.describe_instances(Filters=RUN)["Reservations"]) == 1
    ec2.delete_tags(Resources=[instance_id], Tags=[{"Key": "run"}])
    assert ec2.describe_instances(Filters=RUN)["Reservations"] == []


def test_lists_come_page_by_page(cloud: Cloud) -> None:
    for number in range(6):
        cloud.launch()
        cloud.client().create_security_group(GroupName=f"g{number}", Description="g")
    for what, key in {
        "instances": "Reservations",
        "volumes": "Volumes",
        "network_interfaces": "NetworkInterfaces",
        "security_groups": "SecurityGroups",
    }.items():
        pages = cloud.client().get_paginator(f"describe_{what}").paginate(PaginationConfig={"PageSize": 5})
        sizes = [len(page[key]) for page in pages]
        assert (sizes[0], len(sizes)) == (5, 2), what
    assert refusal_of(lambda: cloud.client().describe_volumes(NextToken="x", MaxResults=5)) == "InvalidNextToken"


def test_a_type_is_launched_only_where_it_is_offered(cloud: Cloud) -> None:
    ec2 = cloud.client()
    offered = ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["m6i.large"]}]
    )["InstanceTypeOfferings"]
    zones = {one["Location"] for one in offered}
    assert "us-east-1a" in zones
    assert "us-east-1e" not in zones
    assert refusal_of(lambda: cloud.launch(SubnetId=subnet(cloud, "us-east-1e"))) == "Unsupported"
    assert cloud.launch(SubnetId=subnet(cloud, "us-east-1f"))["InstanceId"]


def test_regions_are_listed(cloud: Cloud) -> None:
    assert "us-east-1" in {one["RegionName"] for one in cloud.client().describe_regions()["Regions"]}


def test_launch_templates_are_described_and_launched(cloud: Cloud) -> None:
    ec2 = cloud.client()
    content = {"ImageId": "ami-0source", "InstanceType": "m6i.large"}
    made = ec2.create_launch_template(LaunchTemplateName="template", LaunchTemplateData=content)["LaunchTemplate"]
    found = ec2.describe_launch_template_versions(LaunchTemplateName="template", Versions=["$Latest"])
    assert found["LaunchTemplateVersions"][0]["LaunchTemplateData"] == content
    named = ec2.describe_launch_templates(LaunchTemplateNames=["template"])["LaunchTemplates"]
    assert [one["LaunchTemplateId"] for one in named] == [made["LaunchTemplateId"]]
    run = ec2.run_instances(LaunchTemplate={"LaunchTemplateName": "template"}, MinCount=1, MaxCount=1)["Instances"][0]
    assert (run["ImageId"], run["InstanceType"]) == ("ami-0source", "m6i.large")


def test_a_spot_instance_has_a_request_that_ends_with_it(cloud: Cloud) -> None:
    ec2 = cloud.client()
    spot = {"InstanceMarketOptions": {"MarketType": "spot"}}
    instance_id = cloud.running(TagSpecifications=tags("instance", "spot-instances-request"), **spot)
    seen = cloud.instance(instance_id)
    assert seen["InstanceLifecycle"] == "spot"
    (request,) = ec2.describe_spot_instance_requests(Filters=RUN)["SpotInstanceRequests"]
    assert (request["SpotInstanceRequestId"], request["InstanceId"], request["State"]) == (
        seen["SpotInstanceRequestId"],
        instance_id,
        "active",
    )
    assert refusal_of(lambda: ec2.stop_instances(InstanceIds=[instance_id])) == "UnsupportedOperation"
    ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "terminated")
    assert ec2.describe_spot_instance_requests()["SpotInstanceRequests"][0]["State"] == "closed"


def test_a_cancelled_spot_request_leaves_its_instance(cloud: Cloud) -> None:
    ec2 = cloud.client()
    instance_id = cloud.running(InstanceMarketOptions={"MarketType": "spot"})
    request_id = cloud.instance(instance_id)["SpotInstanceRequestId"]
    ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request_id])
    found = ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[request_id])["SpotInstanceRequests"]
    assert (found[0]["State"], cloud.state(instance_id)) == ("cancelled", "running")


def test_an_instance_outside_every_market_has_no_lifecycle(cloud: Cloud) -> None:
    assert cloud.launch().keys().isdisjoint({"InstanceLifecycle", "SpotInstanceRequestId", "CapacityReservationId"})
