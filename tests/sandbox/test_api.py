"""The EC2 API in front of machines that really boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox.cloud import until

if TYPE_CHECKING:
    from tests.sandbox.cloud import Cloud

pytestmark = pytest.mark.sandbox

BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


def test_what_is_written_on_an_instance_is_on_instances_of_its_image_and_nowhere_else(cloud: Cloud) -> None:
    builder = cloud.running(cloud.source(), UserData="#!/bin/sh\necho seen >/etc/by-user-data\n")
    cloud.ssh(builder, "cloud-init status --wait && cat /etc/by-user-data && sudo touch /etc/baked")
    cloud.client().stop_instances(InstanceIds=[builder])
    cloud.reach(builder, "stopped")
    image_id = cloud.image(builder, "baked")
    cloud.client().start_instances(InstanceIds=[builder])
    cloud.ssh(builder, "sudo touch /etc/too-late; sync")
    copy = cloud.running(image_id)
    assert cloud.ssh(copy, "ls /etc/baked /etc/too-late 2>&1; hostname").splitlines() == [
        "ls: cannot access '/etc/too-late': No such file or directory",
        "/etc/baked",
        cloud.instance(copy)["PrivateDnsName"].partition(".")[0],
    ]


def test_a_copy_boots_in_another_region_what_its_original_held_and_goes_on_without_it(cloud: Cloud) -> None:
    builder = cloud.running(cloud.source())
    cloud.ssh(builder, "sudo touch /etc/baked")
    cloud.client().stop_instances(InstanceIds=[builder])
    cloud.reach(builder, "stopped")
    image_id = cloud.image(builder, "original")
    west = cloud.elsewhere("us-west-2")
    ec2 = west.client()
    ec2.import_key_pair(KeyName=cloud.key_name, PublicKeyMaterial=cloud.key.with_suffix(".pub").read_bytes())
    copy_id = ec2.copy_image(SourceImageId=image_id, SourceRegion="us-east-1", Name="copy")["ImageId"]
    until(lambda: west.image_state(copy_id) == "available")
    cloud.client().deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    instance_id = west.running(copy_id)
    try:
        assert west.ssh(instance_id, "ls /etc/baked") == "/etc/baked"
        assert west.instance(instance_id)["Placement"]["AvailabilityZone"].startswith("us-west-2")
    finally:
        ec2.terminate_instances(InstanceIds=[instance_id])
        ec2.deregister_image(ImageId=copy_id, DeleteAssociatedSnapshots=True)
        ec2.delete_key_pair(KeyName=cloud.key_name)


def test_a_running_instance_comes_back_after_its_image_is_made(cloud: Cloud) -> None:
    instance_id = cloud.running(cloud.source())
    before = cloud.ssh(instance_id, BOOT_ID)
    cloud.image(instance_id, "of-running")
    until(lambda: cloud.try_ssh(instance_id, BOOT_ID).stdout.strip() not in ("", before))
    assert cloud.instance(instance_id)["State"]["Name"] == "running"


def test_reboot_gives_a_new_boot_id_and_the_console_shows_both_boots(cloud: Cloud) -> None:
    instance_id = cloud.running(cloud.source())
    before = cloud.ssh(instance_id, BOOT_ID)
    cloud.client().reboot_instances(InstanceIds=[instance_id])
    until(lambda: cloud.try_ssh(instance_id, BOOT_ID).stdout.strip() not in ("", before))
    output = cloud.client().get_console_output(InstanceId=instance_id)["Output"]
    assert output.count("Welcome to") == 2


@pytest.mark.parametrize(("behaviour", "end"), [("stop", "stopped"), ("terminate", "terminated")])
def test_a_power_off_from_inside_is_seen(cloud: Cloud, behaviour: str, end: str) -> None:
    instance_id = cloud.running(cloud.source(), InstanceInitiatedShutdownBehavior=behaviour)
    cloud.ssh(instance_id, "true")
    cloud.try_ssh(instance_id, "sudo systemctl poweroff")
    cloud.reach(instance_id, end)
    assert cloud.instance(instance_id)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_a_terminated_instance_no_longer_answers(cloud: Cloud) -> None:
    instance_id = cloud.running(cloud.source())
    cloud.ssh(instance_id, "true")
    address = cloud.instance(instance_id)["PublicIpAddress"]
    cloud.client().terminate_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "terminated")
    assert "PublicIpAddress" not in cloud.instance(instance_id)
    assert not cloud.answers(address)


def test_a_created_key_pair_opens_the_instance_and_the_other_does_not(cloud: Cloud) -> None:
    name = f"{cloud.key_name}-created"
    material = cloud.client().create_key_pair(KeyName=name, KeyType="ed25519")["KeyMaterial"]
    created = cloud.key.with_name(name)
    created.touch(mode=0o600)
    created.write_text(material)
    instance_id = cloud.running(cloud.source(), KeyName=name)
    try:
        assert cloud.with_key(created).ssh(instance_id, "id -un") == "ec2-user"
        assert "Permission denied" in cloud.try_ssh(instance_id, "true").stderr
    finally:
        cloud.client().terminate_instances(InstanceIds=[instance_id])
        cloud.client().delete_key_pair(KeyName=name)
