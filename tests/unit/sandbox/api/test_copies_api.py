"""CopyImage: what a region knows of an image of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.sandbox.api.fakes import SOURCE, refusal_of, refused, until

if TYPE_CHECKING:
    from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets

WEST = "us-west-2"


def tagged(resource: str, **tags: str) -> dict[str, object]:
    return {"ResourceType": resource, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def tags_of(thing: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags", ())}


def snapshot_of(cloud: Cloud, image_id: str, region: str = "us-east-1") -> Any:
    snapshot_id = cloud.image(image_id, region)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    return cloud.client(region=region).describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]


def test_a_copy_is_pending_and_then_an_image_of_its_own_with_the_same_layers(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    west = cloud.client(region=WEST)
    copy_id = west.copy_image(SourceImageId=image_id, SourceRegion="us-east-1", Name="copy", Description="d")["ImageId"]
    assert (cloud.image(copy_id, WEST)["State"], snapshot_of(cloud, copy_id, WEST)["State"]) == ("pending", "pending")
    until(lambda: cloud.image(copy_id, WEST)["State"] == "available")
    copy, snapshot = cloud.image(copy_id, WEST), snapshot_of(cloud, copy_id, WEST)
    assert (copy["Name"], copy["Description"], snapshot["State"]) == ("copy", "d", "completed")
    assert (copy["SourceImageId"], copy["SourceImageRegion"]) == (image_id, "us-east-1")
    assert f"Copied for DestinationAmi {copy_id} from SourceAmi {image_id}" in snapshot["Description"]
    assert snapshot["SnapshotId"] != snapshot_of(cloud, image_id)["SnapshotId"]
    run = west.run_instances(ImageId=copy_id, InstanceType="m6i.large", MinCount=1, MaxCount=1)["Instances"][0]
    assert cloud.machines.made[run["InstanceId"]].layers == (image_id, *SOURCE.layers)
    assert [one["ImageId"] for one in cloud.client().describe_images(Owners=["self"])["Images"]] == [image_id]


def test_a_copy_outlives_its_original_and_the_server(open_cloud: Callable[[], Cloud]) -> None:
    before = open_cloud()
    _, image_id = before.baked()
    copy_id = before.copied(image_id, ClientToken="t1")
    before.client().deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    assert before.machines.discarded == []
    after = open_cloud()
    west = after.client(region=WEST)
    run = west.run_instances(ImageId=copy_id, InstanceType="m6i.large", MinCount=1, MaxCount=1)["Instances"][0]
    assert after.machines.made[run["InstanceId"]].layers == (image_id, *SOURCE.layers)
    wanted = {"SourceImageId": image_id, "SourceRegion": "us-east-1", "Name": f"copy of {image_id}"}
    assert west.copy_image(ClientToken="t1", **wanted)["ImageId"] == copy_id
    west.terminate_instances(InstanceIds=[run["InstanceId"]])
    west.deregister_image(ImageId=copy_id, DeleteAssociatedSnapshots=True)
    until(lambda: sorted(after.machines.discarded) == sorted([image_id, copy_id]))


def test_one_token_is_one_copy(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    copy_id = cloud.copied(image_id, ClientToken="t1")
    assert cloud.copied(image_id, ClientToken="t1") == copy_id
    with pytest.raises(ClientError) as error:
        cloud.copied(image_id, ClientToken="t1", Name="another")
    assert refused(error) == "IdempotentParameterMismatch"
    assert cloud.copied(image_id, "eu-west-1", ClientToken="t1") != copy_id


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"SourceImageId": "ami-0absent"}, "InvalidAMIID.NotFound"),
        ({"SourceRegion": "eu-west-1"}, "InvalidAMIID.NotFound"),
        ({"SourceRegion": "mars-1"}, "InvalidParameterValue"),
        ({"Name": "a#b"}, "InvalidAMIName.Malformed"),
        ({"KmsKeyId": "alias/mine"}, "InvalidParameterDependency"),
        ({"TagSpecifications": [tagged("instance", a="b")]}, "InvalidParameterValue"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_what_cannot_be_copied_is_refused(cloud: Cloud, change: dict[str, Any], code: str) -> None:
    _, image_id = cloud.baked()
    assert refusal_of(lambda: cloud.copied(image_id, **change)) == code
    assert cloud.client(region=WEST).describe_images(Owners=["self"])["Images"] == []


def test_tags_are_those_of_the_request_and_of_the_original_if_asked_for(cloud: Cloud) -> None:
    _, image_id = cloud.baked(TagSpecifications=[tagged("image", run="r1", state="old"), tagged("snapshot", a="b")])
    wanted = [tagged("image", state="new"), tagged("snapshot", of="copy")]
    bare, full = (
        cloud.copied(image_id, Name=f"copy {also}", TagSpecifications=wanted, CopyImageTags=also)
        for also in (False, True)
    )
    assert tags_of(cloud.image(bare, WEST)) == {"state": "new"}
    assert tags_of(cloud.image(full, WEST)) == {"run": "r1", "state": "new"}
    assert tags_of(snapshot_of(cloud, full, WEST)) == {"of": "copy"}


def test_permissions_and_attributes_are_not_copied(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    ec2, west = cloud.client(), cloud.client(region=WEST)
    ec2.modify_image_attribute(ImageId=image_id, LaunchPermission={"Add": [{"UserId": "210987654321"}]})
    ec2.modify_image_attribute(ImageId=image_id, ImdsSupport={"Value": "v2.0"})
    ec2.enable_image_deregistration_protection(ImageId=image_id)
    copy_id = cloud.copied(image_id)
    assert west.describe_image_attribute(ImageId=copy_id, Attribute="launchPermission")["LaunchPermissions"] == []
    assert cloud.image(copy_id, WEST)["DeregistrationProtection"] == "disabled"
    assert "ImdsSupport" not in cloud.image(copy_id, WEST)


def test_a_copy_is_encrypted_by_a_key_of_its_own_region(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    key = cloud.client("kms", WEST).create_key()["KeyMetadata"]
    cloud.client("kms", WEST).create_alias(AliasName="alias/images", TargetKeyId=key["KeyId"])
    for number, name in enumerate((key["KeyId"], key["Arn"], "alias/images")):
        copy_id = cloud.copied(image_id, Name=f"copy {number}", Encrypted=True, KmsKeyId=name)
        assert snapshot_of(cloud, copy_id, WEST)["KmsKeyId"] == key["Arn"]
    copy_id = cloud.copied(image_id, Name="default", Encrypted=True)
    default = cloud.client("kms", WEST).describe_key(KeyId=snapshot_of(cloud, copy_id, WEST)["KmsKeyId"])
    assert (default["KeyMetadata"]["KeyManager"], key["KeyManager"]) == ("AWS", "CUSTOMER")
    assert cloud.client("kms", WEST).describe_key(KeyId="alias/aws/ebs")["KeyMetadata"] == default["KeyMetadata"]


def test_a_key_that_cannot_be_used_is_told_as_a_failed_image(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    elsewhere = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    disabled = cloud.client("kms", WEST).create_key()["KeyMetadata"]["KeyId"]
    cloud.client("kms", WEST).disable_key(KeyId=disabled)
    for number, key in enumerate((elsewhere, disabled, "alias/absent")):
        copy_id = cloud.copied(image_id, Name=f"copy {number}", Encrypted=True, KmsKeyId=key)
        copy, snapshot = cloud.image(copy_id, WEST), snapshot_of(cloud, copy_id, WEST)
        assert (copy["State"], copy["StateReason"]["Message"]) == ("failed", "Given key ID is not accessible")
        assert (snapshot["State"], snapshot["StateMessage"]) == ("error", "Given key ID is not accessible")


def test_an_image_that_is_not_available_is_not_copied(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    cloud.client().disable_image(ImageId=image_id)
    assert refusal_of(lambda: cloud.copied(image_id)) == "InvalidAMIID.Unavailable"


def test_copies_into_one_region_fail_or_are_late_as_ordered(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    cloud.order(kind="failed-copy", region=WEST, reason="no room for snapshots")
    cloud.order(kind="late", what="copy", region="eu-*", seconds=100)
    east, west = cloud.copied(image_id, "us-east-1"), cloud.copied(image_id)
    assert cloud.image(east)["State"] == "available"
    assert cloud.image(west, WEST)["StateReason"]["Message"] == "no room for snapshots"
    wanted = {"SourceImageId": image_id, "SourceRegion": "us-east-1", "Name": "late"}
    late = cloud.client(region="eu-west-1").copy_image(**wanted)["ImageId"]
    assert cloud.image(late, "eu-west-1")["State"] == "pending"
    cloud.ask("faults", "DELETE")
    until(lambda: cloud.image(late, "eu-west-1")["State"] == "available")


def test_calls_to_one_region_are_refused_as_ordered(cloud: Cloud) -> None:
    cloud.order(operation="CopyImage", error="UnauthorizedOperation", region=WEST)
    _, image_id = cloud.baked()
    assert cloud.copied(image_id, "eu-west-1")
    assert refusal_of(lambda: cloud.copied(image_id)) == "UnauthorizedOperation"
    seen = [(call["region"], call["outcome"]) for call in cloud.ask("calls") if call["operation"] == "CopyImage"]
    assert seen == [("eu-west-1", "ok"), (WEST, "UnauthorizedOperation")]
