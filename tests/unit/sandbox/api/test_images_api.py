from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.sandbox.api.fakes import PARAMETER, SOURCE, refused, until

if TYPE_CHECKING:
    from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets


def tagged(resource: str, **tags: str) -> dict[str, object]:
    return {"ResourceType": resource, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def tags_of(thing: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in thing["Tags"]}


def test_the_source_image_is_found_by_owner_name_and_architecture(cloud: Cloud) -> None:
    filters = [
        {"Name": "name", "Values": ["al2023-ami-2023.*"]},
        {"Name": "architecture", "Values": ["x86_64"]},
        {"Name": "state", "Values": ["available"]},
        {"Name": "root-device-type", "Values": ["ebs"]},
        {"Name": "virtualization-type", "Values": ["hvm"]},
    ]
    for owner in ("amazon", "137112412989"):
        image = cloud.client().describe_images(Owners=[owner], Filters=filters)["Images"][0]
        assert image["ImageId"] == SOURCE.id
    assert image["CreationDate"] == "2025-09-01T00:00:00.000Z"
    assert image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 20
    assert (image["RootDeviceType"], image["EnaSupport"], image["Public"]) == ("ebs", True, True)
    assert cloud.client().describe_images(Owners=["self"])["Images"] == []


def test_an_image_is_pending_until_its_copy_is_finished(cloud: Cloud) -> None:
    instance_id = cloud.running()
    ec2 = cloud.client()
    ec2.stop_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "stopped")
    cloud.machines.made[instance_id].quick.clear()
    image_id = ec2.create_image(InstanceId=instance_id, Name="one")["ImageId"]
    image = cloud.image(image_id)
    snapshot_id = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    snapshot = ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]
    assert (image["State"], snapshot["State"]) == ("pending", "pending")
    with pytest.raises(ClientError) as error:
        cloud.launch(ImageId=image_id)
    assert refused(error) == "InvalidAMIID.Unavailable"
    cloud.machines.made[instance_id].quick.set()
    until(lambda: cloud.image(image_id)["State"] == "available")
    snapshot = ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]
    assert (snapshot["State"], snapshot["Progress"]) == ("completed", "100%")
    assert cloud.machines.made[instance_id].boots == 1


def test_an_instance_of_an_image_stacks_its_layer_on_those_below(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    instance_id = cloud.running(ImageId=image_id)
    assert cloud.machines.made[instance_id].layers == (image_id, *SOURCE.layers)


def test_a_running_instance_is_rebooted_for_its_image_unless_told_not_to(cloud: Cloud) -> None:
    instance_id, _ = cloud.baked("rebooted")
    machine = cloud.machines.made[instance_id]
    until(lambda: machine.boots == 2)
    assert cloud.state(instance_id) == "running"
    image_id = cloud.client().create_image(InstanceId=instance_id, Name="not-rebooted", NoReboot=True)["ImageId"]
    until(lambda: cloud.image(image_id)["State"] == "available")
    assert machine.boots == 2


def test_an_image_takes_its_devices_from_the_instance_and_its_tags_from_the_request(cloud: Cloud) -> None:
    root = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 33, "Encrypted": True}}
    data = {"DeviceName": "/dev/xvdb", "Ebs": {"VolumeSize": 5, "DeleteOnTermination": True}}
    instance_id = cloud.running(BlockDeviceMappings=[root, data])
    tags = [tagged("image", run="r1"), tagged("snapshot", run="r2")]
    ec2 = cloud.client()
    made = ec2.create_image(InstanceId=instance_id, Name="one", Description="d", TagSpecifications=tags)
    image = cloud.image(made["ImageId"])
    seen = {one["DeviceName"]: one["Ebs"] for one in image["BlockDeviceMappings"]}
    assert (seen["/dev/xvda"]["VolumeSize"], seen["/dev/xvda"]["Encrypted"]) == (33, True)
    assert (seen["/dev/xvdb"]["VolumeSize"], seen["/dev/xvdb"]["Encrypted"]) == (5, False)
    assert (image["Description"], tags_of(image)) == ("d", {"run": "r1"})
    assert (image["SourceInstanceId"], image["SourceImageId"]) == (instance_id, SOURCE.id)
    found = ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "tag:run", "Values": ["r2"]}])["Snapshots"]
    assert {one["SnapshotId"] for one in found} == {ebs["SnapshotId"] for ebs in seen.values()}
    assert {one["Encrypted"] for one in found} == {True, False}


@pytest.mark.parametrize(("name", "code"), [("baked", "InvalidAMIName.Duplicate"), ("a#b", "InvalidAMIName.Malformed")])
def test_a_name_must_be_new_and_well_formed(cloud: Cloud, name: str, code: str) -> None:
    instance_id, _ = cloud.baked("baked")
    with pytest.raises(ClientError) as error:
        cloud.client().create_image(InstanceId=instance_id, Name=name)
    assert refused(error) == code


def test_a_name_is_free_again_after_deregistering(cloud: Cloud) -> None:
    instance_id, image_id = cloud.baked("baked")
    cloud.client().deregister_image(ImageId=image_id)
    assert cloud.client().create_image(InstanceId=instance_id, Name="baked")["ImageId"] != image_id


def test_a_terminated_instance_gives_no_image(cloud: Cloud) -> None:
    instance_id = cloud.running()
    cloud.client().terminate_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "terminated")
    with pytest.raises(ClientError) as error:
        cloud.client().create_image(InstanceId=instance_id, Name="one")
    assert refused(error) == "InvalidParameterValue"


def test_a_copy_that_fails_gives_a_failed_image_with_the_reason(cloud: Cloud) -> None:
    instance_id = cloud.running()
    cloud.client().stop_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "stopped")
    cloud.machines.made[instance_id].broken = "no space left"
    image_id = cloud.client().create_image(InstanceId=instance_id, Name="one")["ImageId"]
    until(lambda: cloud.image(image_id)["State"] == "failed")
    assert "no space left" in cloud.image(image_id)["StateReason"]["Message"]


def test_termination_waits_for_the_copy_under_way(cloud: Cloud) -> None:
    instance_id = cloud.running()
    cloud.client().stop_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "stopped")
    machine = cloud.machines.made[instance_id]
    machine.quick.clear()
    image_id = cloud.client().create_image(InstanceId=instance_id, Name="one")["ImageId"]
    cloud.client().terminate_instances(InstanceIds=[instance_id])
    assert cloud.state(instance_id) == "shutting-down"
    machine.quick.set()
    cloud.reach(instance_id, "terminated")
    assert cloud.image(image_id)["State"] == "available"


def test_attributes_are_stored_and_shown(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    ec2 = cloud.client()
    ec2.modify_image_attribute(ImageId=image_id, ImdsSupport={"Value": "v2.0"})
    ec2.modify_image_attribute(ImageId=image_id, Description={"Value": "new"})
    ec2.modify_image_attribute(ImageId=image_id, LaunchPermission={"Add": [{"UserId": "210987654321"}]})
    image = cloud.image(image_id)
    assert (image["ImdsSupport"], image["Description"]) == ("v2.0", "new")
    shown = ec2.describe_image_attribute(ImageId=image_id, Attribute="imdsSupport")
    assert shown["ImdsSupport"]["Value"] == "v2.0"
    shown = ec2.describe_image_attribute(ImageId=image_id, Attribute="launchPermission")
    assert shown["LaunchPermissions"] == [{"UserId": "210987654321"}]


def test_an_image_of_somebody_else_is_left_alone(cloud: Cloud) -> None:
    ec2 = cloud.client()
    for call in (ec2.deregister_image, lambda **what: ec2.modify_image_attribute(Description={"Value": "x"}, **what)):
        with pytest.raises(ClientError) as error:
            call(ImageId=SOURCE.id)
        assert refused(error) == "AuthFailure"


def test_snapshots_outlive_the_image_unless_deleted_with_it(cloud: Cloud) -> None:
    ec2 = cloud.client()
    instance_id, first = cloud.baked("first")
    snapshot_id = cloud.image(first)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    with pytest.raises(ClientError) as error:
        ec2.delete_snapshot(SnapshotId=snapshot_id)
    assert refused(error) == "InvalidSnapshot.InUse"
    ec2.deregister_image(ImageId=first)
    assert len(ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]) == 1
    ec2.delete_snapshot(SnapshotId=snapshot_id)
    second = ec2.create_image(InstanceId=instance_id, Name="second")["ImageId"]
    until(lambda: cloud.image(second)["State"] == "available")
    ec2.deregister_image(ImageId=second, DeleteAssociatedSnapshots=True)
    assert ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    assert sorted(cloud.machines.discarded) == sorted([first, second])


def test_a_layer_stays_as_long_as_an_image_or_instance_is_on_top_of_it(cloud: Cloud) -> None:
    ec2 = cloud.client()
    _, lower = cloud.baked("lower")
    builder = cloud.running(ImageId=lower)
    ec2.deregister_image(ImageId=lower, DeleteAssociatedSnapshots=True)
    assert cloud.machines.discarded == []
    upper = ec2.create_image(InstanceId=builder, Name="upper")["ImageId"]
    until(lambda: cloud.image(upper)["State"] == "available")
    ec2.terminate_instances(InstanceIds=[builder])
    cloud.reach(builder, "terminated")
    assert cloud.machines.discarded == []
    ec2.deregister_image(ImageId=upper, DeleteAssociatedSnapshots=True)
    assert sorted(cloud.machines.discarded) == sorted([lower, upper])


def test_images_come_back_when_the_server_starts_again(open_cloud: Callable[[], Cloud]) -> None:
    before = open_cloud()
    tags = [tagged("image", run="r1"), tagged("snapshot", run="r2")]
    _, kept = before.baked("kept", TagSpecifications=tags)
    _, gone = before.baked("gone")
    ec2 = before.client()
    ec2.create_tags(Resources=[kept], Tags=[{"Key": "later", "Value": "yes"}])
    ec2.modify_image_attribute(ImageId=kept, ImdsSupport={"Value": "v2.0"})
    ec2.deregister_image(ImageId=gone)
    seen = before.image(kept)
    after = open_cloud()
    again = after.image(kept)
    assert tags_of(again) == tags_of(seen)
    assert {**again, "Tags": []} == {**seen, "Tags": []}
    assert seen["ImdsSupport"] == "v2.0"
    assert tags_of(seen) == {"run": "r1", "later": "yes"}
    assert [one["ImageId"] for one in after.client().describe_images(Owners=["self"])["Images"]] == [kept]
    snapshots = after.client().describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert [tags_of(one) for one in snapshots if one.get("Tags")] == [{"run": "r2"}]
    assert len(snapshots) == 2
    assert after.client().describe_instances()["Reservations"] == []
    assert after.machines.made[after.running(ImageId=kept)].layers == (kept, *SOURCE.layers)


def test_images_show_before_the_first_request_after_a_restart(open_cloud: Callable[[], Cloud]) -> None:
    _, image_id = open_cloud().baked()
    after = open_cloud()
    after.client("ssm").get_parameter(Name=PARAMETER)
    assert after.machines.discarded == []
    assert after.image(image_id)["State"] == "available"


def test_a_directory_no_record_stands_for_is_removed_at_the_start(open_cloud: Callable[[], Cloud]) -> None:
    folder = open_cloud().machines.images
    (folder / "ami-0half" / "layer").mkdir(parents=True)
    assert open_cloud().machines.discarded == ["ami-0half"]


def test_images_are_listed_page_by_page(cloud: Cloud) -> None:
    instance_id, _ = cloud.baked("one")
    cloud.client().create_image(InstanceId=instance_id, Name="two", NoReboot=True)
    pages = cloud.client().get_paginator("describe_images").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["Images"]) for page in pages] == [2, 1]
