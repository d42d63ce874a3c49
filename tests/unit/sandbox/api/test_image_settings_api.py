"""What is said of an image: deprecated, protected, disabled, shared, used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.sandbox.api.fakes import SOURCE, refusal_of, until

if TYPE_CHECKING:
    from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets

FRIEND = {"UserId": "210987654321"}
ORGANIZATION = {"OrganizationArn": "arn:aws:organizations::123456789012:organization/o-123example"}
UNIT = {"OrganizationalUnitArn": "arn:aws:organizations::123456789012:ou/o-123example/ou-1234-5example"}


def soon(**distance: float) -> datetime:
    return datetime.now(UTC) + timedelta(**distance)


def shared(cloud: Cloud, image_id: str) -> Any:
    return cloud.client().describe_image_attribute(ImageId=image_id, Attribute="launchPermission")["LaunchPermissions"]


def snapshot_id(cloud: Cloud, image_id: str) -> str:
    return str(cloud.image(image_id)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"])


def test_an_image_is_deprecated_to_the_minute_and_no_longer_when_that_is_taken_back(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    ec2 = cloud.client()
    when = soon(days=90).replace(minute=10, second=40)
    ec2.enable_image_deprecation(ImageId=image_id, DeprecateAt=when)
    assert cloud.image(image_id)["DeprecationTime"] == f"{when:%Y-%m-%dT%H}:11:00.000Z"
    ec2.disable_image_deprecation(ImageId=image_id)
    assert "DeprecationTime" not in cloud.image(image_id)


@pytest.mark.parametrize(
    ("image", "when", "code"),
    [
        ("", soon(days=-1), "InvalidParameterValue"),
        ("", soon(days=11 * 366), "InvalidParameterValue"),
        (SOURCE.id, soon(days=1), "AuthFailure"),
        ("ami-0absent", soon(days=1), "InvalidAMIID.NotFound"),
    ],
)
def test_a_deprecation_that_cannot_be_is_refused(cloud: Cloud, image: str, when: datetime, code: str) -> None:
    image_id = image or cloud.baked()[1]
    ec2 = cloud.client()
    assert refusal_of(lambda: ec2.enable_image_deprecation(ImageId=image_id, DeprecateAt=when)) == code


def test_only_the_owner_sees_deprecated_images_unasked(open_cloud: Callable[..., Cloud]) -> None:
    old = replace(SOURCE, id="ami-0old", devices=(), deprecated=soon(days=-1))
    cloud = open_cloud((SOURCE, old))
    _, mine = cloud.baked()
    cloud.client().enable_image_deprecation(ImageId=mine, DeprecateAt=soon(seconds=1))

    def seen(**options: Any) -> set[str]:
        return {image["ImageId"] for image in cloud.client().describe_images(**options)["Images"]}

    assert seen() == {SOURCE.id, mine}
    assert seen(Owners=["amazon"]) == {SOURCE.id}
    assert seen(IncludeDeprecated=True) == {SOURCE.id, mine, old.id}
    assert seen(ImageIds=[old.id]) == {old.id}


@pytest.mark.parametrize("cooldown", [False, True])
def test_a_protected_image_is_not_deregistered(cloud: Cloud, cooldown: bool) -> None:
    _, image_id = cloud.baked()
    ec2 = cloud.client()
    kind = "enabled-with-cooldown" if cooldown else "enabled-without-cooldown"
    assert ec2.enable_image_deregistration_protection(ImageId=image_id, WithCooldown=cooldown)["Return"] == kind
    assert cloud.image(image_id)["DeregistrationProtection"] == kind
    assert refusal_of(lambda: ec2.deregister_image(ImageId=image_id)) == "OperationNotPermitted"
    ec2.disable_image_deregistration_protection(ImageId=image_id)
    refusal = refusal_of(lambda: ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True))
    assert refusal == ("OperationNotPermitted" if cooldown else "")


def test_a_disabled_image_is_not_launched_not_shared_and_not_listed(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    ec2 = cloud.client()
    ec2.modify_image_attribute(ImageId=image_id, LaunchPermission={"Add": [FRIEND]})
    ec2.disable_image(ImageId=image_id)
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    (image,) = ec2.describe_images(Owners=["self"], IncludeDisabled=True)["Images"]
    assert (image["State"], shared(cloud, image_id)) == ("disabled", [])
    assert refusal_of(lambda: cloud.launch(ImageId=image_id)) == "InvalidAMIID.Unavailable"
    more = {"LaunchPermission": {"Add": [FRIEND]}}
    assert refusal_of(lambda: ec2.modify_image_attribute(ImageId=image_id, **more)) == "InvalidAMIID.Unavailable"
    ec2.enable_image(ImageId=image_id)
    assert cloud.image(image_id)["State"] == "available"
    assert cloud.launch(ImageId=image_id)["InstanceId"]


def test_an_image_is_shared_with_accounts_organizations_and_units_and_with_them_no_longer(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    ec2 = cloud.client()
    ec2.modify_image_attribute(ImageId=image_id, LaunchPermission={"Add": [FRIEND, ORGANIZATION, UNIT]})
    assert shared(cloud, image_id) == [FRIEND, ORGANIZATION, UNIT]
    ec2.modify_image_attribute(
        ImageId=image_id,
        Attribute="launchPermission",
        OperationType="remove",
        OrganizationArns=list(ORGANIZATION.values()),
    )
    ec2.modify_image_attribute(ImageId=image_id, LaunchPermission={"Remove": [UNIT]})
    assert shared(cloud, image_id) == [FRIEND]
    bad = {"LaunchPermission": {"Add": [{"UserId": "me"}]}}
    refusal = refusal_of(lambda: ec2.modify_image_attribute(ImageId=image_id, **bad))
    assert refusal == "InvalidAMIAttributeItemValue"


def test_nothing_becomes_public_while_the_account_says_so(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    ec2 = cloud.client()

    def publish() -> None:
        ec2.modify_image_attribute(ImageId=image_id, LaunchPermission={"Add": [{"Group": "all"}]})

    assert refusal_of(publish) == "OperationNotPermitted"
    ec2.disable_image_block_public_access()
    publish()
    assert cloud.image(image_id)["Public"]
    assert ec2.get_image_block_public_access_state()["ImageBlockPublicAccessState"] == "unblocked"


@pytest.mark.parametrize("own_key", [False, True])
def test_what_the_default_key_encrypts_is_not_shared(cloud: Cloud, own_key: bool) -> None:
    key = {"KmsKeyId": cloud.client("kms").create_key()["KeyMetadata"]["Arn"]} if own_key else {}
    instance_id = cloud.running(BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, **key}}])
    ec2 = cloud.client()
    image_id = ec2.create_image(InstanceId=instance_id, Name="secret")["ImageId"]
    until(lambda: cloud.image(image_id)["State"] == "available")
    volume = {"SnapshotId": snapshot_id(cloud, image_id), "CreateVolumePermission": {"Add": [FRIEND]}}
    launch = {"ImageId": image_id, "LaunchPermission": {"Add": [FRIEND]}}
    refusals = [
        refusal_of(lambda: ec2.modify_image_attribute(**launch)),
        refusal_of(lambda: ec2.modify_snapshot_attribute(**volume)),
    ]
    assert refusals == (["", ""] if own_key else ["InvalidParameter", "OperationNotPermitted"])


def test_a_snapshot_is_shared_in_both_forms_and_no_longer(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    ec2, wanted = cloud.client(), {"SnapshotId": snapshot_id(cloud, image_id), "Attribute": "createVolumePermission"}
    ec2.modify_snapshot_attribute(**wanted, CreateVolumePermission={"Add": [FRIEND]})
    ec2.modify_snapshot_attribute(**wanted, OperationType="add", UserIds=["111111111111"])
    ec2.modify_snapshot_attribute(**wanted, CreateVolumePermission={"Remove": [FRIEND]})
    assert ec2.describe_snapshot_attribute(**wanted)["CreateVolumePermissions"] == [{"UserId": "111111111111"}]
    foreign = {**wanted, "SnapshotId": "snap-0source"}
    assert refusal_of(lambda: ec2.describe_snapshot_attribute(**foreign)) == "AuthFailure"


def test_imds_support_is_never_taken_back(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    ec2 = cloud.client()
    ec2.modify_image_attribute(ImageId=image_id, ImdsSupport={"Value": "v2.0"})
    back = {"ImageId": image_id, "ImdsSupport": {"Value": "v1.0"}}
    assert refusal_of(lambda: ec2.modify_image_attribute(**back)) == "InvalidParameterValue"
    assert cloud.image(image_id)["ImdsSupport"] == "v2.0"


def test_an_image_says_when_it_was_last_launched(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    asked = {"ImageId": image_id, "Attribute": "lastLaunchedTime"}
    assert "Value" not in cloud.client().describe_image_attribute(**asked)["LastLaunchedTime"]
    cloud.launch(ImageId=image_id)
    said = cloud.image(image_id)["LastLaunchedTime"]
    assert abs(datetime.fromisoformat(said) - datetime.now(UTC)) < timedelta(seconds=30)
    assert cloud.client().describe_image_attribute(**asked)["LastLaunchedTime"]["Value"] == said
    assert "LastLaunchedTime" not in cloud.image(SOURCE.id)


def test_all_of_it_is_there_again_when_the_server_starts_again(open_cloud: Callable[..., Cloud]) -> None:
    before = open_cloud()
    ec2 = before.client()
    instance_id, image_id = before.baked()
    gone = ec2.create_image(InstanceId=instance_id, Name="disabled", NoReboot=True)["ImageId"]
    until(lambda: before.image(gone)["State"] == "available")
    before.launch(ImageId=image_id)
    ec2.enable_image_deprecation(ImageId=image_id, DeprecateAt=soon(days=90))
    ec2.enable_image_deregistration_protection(ImageId=image_id, WithCooldown=True)
    ec2.disable_image_deregistration_protection(ImageId=image_id)
    ec2.modify_image_attribute(ImageId=image_id, LaunchPermission={"Add": [FRIEND, UNIT]})
    volume = {"SnapshotId": snapshot_id(before, image_id), "Attribute": "createVolumePermission"}
    ec2.modify_snapshot_attribute(**volume, CreateVolumePermission={"Add": [FRIEND]})
    ec2.disable_image(ImageId=gone)
    seen = before.image(image_id)
    after = open_cloud()
    assert after.image(image_id) == seen
    assert seen.keys() >= {"DeprecationTime", "LastLaunchedTime", "DeregistrationProtection"}
    assert shared(after, image_id) == [FRIEND, UNIT]
    assert after.client().describe_snapshot_attribute(**volume)["CreateVolumePermissions"] == [FRIEND]
    assert refusal_of(lambda: after.client().deregister_image(ImageId=image_id)) == "OperationNotPermitted"
    (image,) = after.client().describe_images(ImageIds=[gone], IncludeDisabled=True)["Images"]
    assert image["State"] == "disabled"


def test_references_name_instances_templates_and_pointers(cloud: Cloud) -> None:
    _, image_id = cloud.baked()
    ec2, ssm = cloud.client(), cloud.client("ssm")
    instance_id = cloud.running(ImageId=image_id)
    template = ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={"ImageId": image_id})
    ssm.put_parameter(Name="/a/current", Value=image_id, Type="String", DataType="aws:ec2:image")
    ssm.put_parameter(Name="/a/note", Value=image_id, Type="String")

    def references(**options: Any) -> list[tuple[str, str]]:
        found = ec2.describe_image_references(ImageIds=[image_id], **options)["ImageReferences"]
        return [(one["ResourceType"], one["Arn"].rpartition(":")[2]) for one in found]

    whole = [
        ("ec2:Instance", f"instance/{instance_id}"),
        ("ec2:LaunchTemplate", f"launch-template/{template['LaunchTemplate']['LaunchTemplateId']}"),
        ("ssm:Parameter", "parameter/a/current"),
    ]
    until(lambda: references(IncludeAllResourceTypes=True) == whole)
    assert references(ResourceTypes=[{"ResourceType": "ssm:Parameter"}]) == whole[2:]
    stopped = [{"OptionName": "state-name", "OptionValues": ["stopped"]}]
    assert references(ResourceTypes=[{"ResourceType": "ec2:Instance", "ResourceTypeOptions": stopped}]) == []
    assert refusal_of(references) == "MissingParameter"
