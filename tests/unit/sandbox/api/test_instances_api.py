from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.unit.sandbox.api.fakes import PARAMETER, SOURCE, refused, until

if TYPE_CHECKING:
    from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets


def tagged(resource: str, **tags: str) -> dict[str, object]:
    return {"ResourceType": resource, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def test_options_that_are_empty_count_as_not_given(cloud: Cloud) -> None:
    empty = {"SubnetId": "", "Placement": {"AvailabilityZone": ""}, "UserData": "", "RamdiskId": ""}
    assert cloud.launch(**empty)["SubnetId"].startswith("subnet-")


def test_a_launched_instance_is_pending_then_running_at_its_machines_address(cloud: Cloud) -> None:
    instance = cloud.launch(UserData="#!/bin/sh\ntrue\n")
    assert instance["State"]["Name"] == "pending"
    seen = cloud.reach(instance["InstanceId"], "running")
    machine = cloud.machines.made[instance["InstanceId"]]
    assert seen["PublicIpAddress"] == seen["PrivateIpAddress"] == machine.address
    assert machine.user_data == b"#!/bin/sh\ntrue\n"
    assert machine.layers == SOURCE.layers
    assert seen["RootDeviceName"] == "/dev/xvda"
    assert seen["SecurityGroups"][0]["GroupName"] == "default"


def test_tags_reach_instance_volumes_and_interfaces_at_launch(cloud: Cloud) -> None:
    kinds = ("instance", "volume", "network-interface")
    made = cloud.launch(TagSpecifications=[tagged(kind, run="r1", kind=kind) for kind in kinds])
    ec2 = cloud.client()
    by_run = [{"Name": "tag:run", "Values": ["r1"]}]
    volume = ec2.describe_volumes(Filters=by_run)["Volumes"][0]
    interface = ec2.describe_network_interfaces(Filters=by_run)["NetworkInterfaces"][0]
    found = ec2.describe_instances(Filters=by_run)["Reservations"][0]["Instances"][0]
    assert found["InstanceId"] == made["InstanceId"] == volume["Attachments"][0]["InstanceId"]
    assert {tag["Key"]: tag["Value"] for tag in volume["Tags"]}["kind"] == "volume"
    assert {tag["Key"]: tag["Value"] for tag in interface["TagSet"]}["kind"] == "network-interface"


def test_a_kind_that_cannot_be_tagged_at_launch_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as error:
        cloud.launch(TagSpecifications=[tagged("image", a="b")])
    assert refused(error) == "InvalidParameterValue"


def test_volumes_follow_the_image_and_the_request(cloud: Cloud) -> None:
    wanted = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 40, "Encrypted": True, "Throughput": 500}},
        {"DeviceName": "/dev/xvdb", "Ebs": {"VolumeSize": 5, "VolumeType": "io2", "Iops": 900}},
    ]
    instance_id = cloud.launch(BlockDeviceMappings=wanted)["InstanceId"]
    mine = [{"Name": "attachment.instance-id", "Values": [instance_id]}]
    volumes = cloud.client().describe_volumes(Filters=mine)["Volumes"]
    seen = {one["Attachments"][0]["Device"]: one for one in volumes}
    root = seen["/dev/xvda"]
    assert (root["Size"], root["VolumeType"], root["Encrypted"], root["Throughput"]) == (40, "gp3", True, 500)
    assert (seen["/dev/xvdb"]["VolumeType"], seen["/dev/xvdb"]["Iops"]) == ("io2", 900)
    assert seen["/dev/xvdb"]["Encrypted"] is False
    blocks = {one["DeviceName"]: one["Ebs"] for one in cloud.instance(instance_id)["BlockDeviceMappings"]}
    assert blocks["/dev/xvda"]["DeleteOnTermination"] is True


def test_a_volume_smaller_than_its_snapshot_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as error:
        cloud.launch(BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 4}}])
    assert refused(error) == "InvalidBlockDeviceMapping"
    assert cloud.client().describe_instances()["Reservations"] == []


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"ImageId": "ami-0absent"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "absent"}, "InvalidAMIID.Malformed"),
        ({"InstanceType": "m6i.tiny"}, "InvalidParameterValue"),
        ({"InstanceType": "m6g.large"}, "InvalidParameterValue"),
        ({"KeyName": "absent"}, "InvalidKeyPair.NotFound"),
        ({"SubnetId": "subnet-0absent"}, "InvalidSubnetID.NotFound"),
        ({"SecurityGroupIds": ["sg-0absent"]}, "InvalidGroup.NotFound"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_a_launch_that_ec2_refuses_is_refused_and_leaves_nothing(
    cloud: Cloud, options: dict[str, object], code: str
) -> None:
    with pytest.raises(ClientError) as error:
        cloud.launch(**options)
    assert refused(error) == code
    assert cloud.client().describe_instances()["Reservations"] == []
    assert cloud.client().describe_volumes()["Volumes"] == []
    assert cloud.machines.made == {}


def test_the_same_client_token_gives_the_same_instance_again(cloud: Cloud) -> None:
    first = cloud.launch(ClientToken="t1", EbsOptimized=True)
    again = cloud.launch(ClientToken="t1", EbsOptimized=True)
    assert again["InstanceId"] == first["InstanceId"]
    by_token = [{"Name": "client-token", "Values": ["t1"]}]
    found = cloud.client().describe_instances(Filters=by_token)["Reservations"]
    assert [one["InstanceId"] for each in found for one in each["Instances"]] == [first["InstanceId"]]
    nothing = [{"Name": "client-token", "Values": ["t2"]}]
    assert cloud.client().describe_instances(Filters=nothing)["Reservations"] == []


def test_a_client_token_with_other_parameters_is_refused(cloud: Cloud) -> None:
    cloud.launch(ClientToken="t1")
    with pytest.raises(ClientError) as error:
        cloud.launch(ClientToken="t1", InstanceType="m6i.xlarge")
    assert refused(error) == "IdempotentParameterMismatch"


def test_a_client_token_of_a_terminated_instance_is_refused(cloud: Cloud) -> None:
    instance_id = cloud.running(ClientToken="t1")
    cloud.client().terminate_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "terminated")
    with pytest.raises(ClientError) as error:
        cloud.launch(ClientToken="t1")
    assert refused(error) == "IdempotentInstanceTerminated"


def test_a_refused_launch_does_not_use_up_its_client_token(cloud: Cloud) -> None:
    with pytest.raises(ClientError):
        cloud.launch(ClientToken="t1", KeyName="absent")
    assert cloud.launch(ClientToken="t1")["InstanceId"]


def test_stop_is_stopping_until_the_machine_is_off_and_start_boots_it_again(cloud: Cloud) -> None:
    instance_id = cloud.running()
    machine = cloud.machines.made[instance_id]
    machine.quick.clear()
    change = cloud.client().stop_instances(InstanceIds=[instance_id])["StoppingInstances"][0]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("running", "stopping")
    assert cloud.state(instance_id) == "stopping"
    with pytest.raises(ClientError) as error:
        cloud.client().start_instances(InstanceIds=[instance_id])
    assert refused(error) == "IncorrectInstanceState"
    machine.quick.set()
    seen = cloud.reach(instance_id, "stopped")
    assert seen["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert seen["StateTransitionReason"].startswith("User initiated (")
    assert not machine.alive
    cloud.client().start_instances(InstanceIds=[instance_id])
    assert "StateReason" not in cloud.reach(instance_id, "running") or machine.alive
    assert machine.boots == 2


def test_stopping_twice_and_terminating_twice_is_fine(cloud: Cloud) -> None:
    instance_id = cloud.running()
    ec2 = cloud.client()
    for _ in range(2):
        ec2.stop_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "stopped")
    ec2.stop_instances(InstanceIds=[instance_id])
    for _ in range(2):
        ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "terminated")
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert cloud.state(instance_id) == "terminated"


def test_a_terminated_instance_cannot_be_stopped_started_or_rebooted(cloud: Cloud) -> None:
    instance_id = cloud.running()
    ec2 = cloud.client()
    ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "terminated")
    for call in (ec2.stop_instances, ec2.start_instances, ec2.reboot_instances):
        with pytest.raises(ClientError) as error:
            call(InstanceIds=[instance_id])
        assert refused(error) == "IncorrectInstanceState"


def test_terminate_removes_machine_volumes_and_interface(cloud: Cloud) -> None:
    instance_id = cloud.running()
    cloud.client().terminate_instances(InstanceIds=[instance_id])
    seen = cloud.reach(instance_id, "terminated")
    assert cloud.machines.made[instance_id].removed
    assert "PublicIpAddress" not in seen
    assert cloud.client().describe_volumes()["Volumes"] == []
    assert cloud.client().describe_network_interfaces()["NetworkInterfaces"] == []


def test_a_volume_that_is_to_stay_stays(cloud: Cloud) -> None:
    kept = {"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}
    instance_id = cloud.running(BlockDeviceMappings=[kept])
    cloud.client().terminate_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "terminated")
    assert [one["State"] for one in cloud.client().describe_volumes()["Volumes"]] == ["available"]


def test_terminate_cuts_a_shutdown_short(cloud: Cloud) -> None:
    instance_id = cloud.running()
    cloud.machines.made[instance_id].quick.clear()
    cloud.client().stop_instances(InstanceIds=[instance_id])
    cloud.client().terminate_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "terminated")


def test_termination_protection_holds_until_it_is_taken_away(cloud: Cloud) -> None:
    instance_id = cloud.running()
    ec2 = cloud.client()
    ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": True})
    with pytest.raises(ClientError) as error:
        ec2.terminate_instances(InstanceIds=[instance_id])
    assert refused(error) == "OperationNotPermitted"
    ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "terminated")


@pytest.mark.parametrize(("behaviour", "end"), [("stop", "stopped"), ("terminate", "terminated")])
def test_a_power_off_from_inside_follows_the_shutdown_behaviour(cloud: Cloud, behaviour: str, end: str) -> None:
    instance_id = cloud.running(InstanceInitiatedShutdownBehavior=behaviour)
    cloud.machines.made[instance_id].alive = False
    seen = cloud.reach(instance_id, end)
    assert seen["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_the_shutdown_behaviour_can_be_changed_while_it_runs(cloud: Cloud) -> None:
    instance_id = cloud.running(InstanceInitiatedShutdownBehavior="terminate")
    ec2 = cloud.client()
    ec2.modify_instance_attribute(InstanceId=instance_id, InstanceInitiatedShutdownBehavior={"Value": "stop"})
    seen = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="instanceInitiatedShutdownBehavior")
    assert seen["InstanceInitiatedShutdownBehavior"]["Value"] == "stop"
    cloud.machines.made[instance_id].alive = False
    cloud.reach(instance_id, "stopped")


def test_a_machine_that_does_not_boot_ends_its_instance_with_the_reason(cloud: Cloud) -> None:
    cloud.machines.broken = "no such root"
    instance_id = cloud.launch()["InstanceId"]
    assert cloud.reach(instance_id, "terminated")["StateReason"] == {
        "Code": "Server.InternalError",
        "Message": "Server.InternalError: Internal error on launch: no such root",
    }


def test_a_launch_of_which_a_part_fails_leaves_nothing(cloud: Cloud) -> None:
    cloud.machines.limit = 1
    with pytest.raises(ClientError) as error:
        cloud.launch(MaxCount=2)
    assert refused(error) == "InternalError"
    (machine,) = cloud.machines.made.values()
    assert machine.removed
    assert machine.address in cloud.addresses.free
    ec2 = cloud.client()
    assert ec2.describe_instances()["Reservations"] == []
    assert ec2.describe_volumes()["Volumes"] == []
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_reboot_reaches_the_machine(cloud: Cloud) -> None:
    instance_id = cloud.running()
    cloud.client().reboot_instances(InstanceIds=[instance_id])
    until(lambda: cloud.machines.made[instance_id].boots == 2)
    assert cloud.state(instance_id) == "running"


def test_the_console_is_the_machines_own(cloud: Cloud) -> None:
    instance_id = cloud.running()
    output = cloud.client().get_console_output(InstanceId=instance_id)["Output"]
    assert output == f"boot 1 of {instance_id}: naïve\n"


def test_metadata_options_come_back(cloud: Cloud) -> None:
    options = {"HttpTokens": "required", "HttpPutResponseHopLimit": 2}
    seen = cloud.launch(MetadataOptions=options)["MetadataOptions"]
    assert {key: seen[key] for key in options} == options


def test_max_count_instances_have_different_addresses(cloud: Cloud) -> None:
    ec2 = cloud.client()
    made = ec2.run_instances(ImageId=SOURCE.id, InstanceType="m6i.large", MinCount=1, MaxCount=3)["Instances"]
    assert len({one["PrivateIpAddress"] for one in made}) == 3


def test_an_image_can_be_named_by_its_public_parameter(cloud: Cloud) -> None:
    value = cloud.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"]
    assert value == SOURCE.id
    assert cloud.launch(ImageId=f"resolve:ssm:{PARAMETER}")["ImageId"] == SOURCE.id


def test_an_unknown_parameter_is_not_found(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as error:
        cloud.client("ssm").get_parameter(Name="/aws/service/absent")
    assert refused(error) == "ParameterNotFound"


def test_the_default_network_is_there(cloud: Cloud) -> None:
    ec2 = cloud.client()
    default = [{"Name": "is-default", "Values": ["true"]}]
    vpc = ec2.describe_vpcs(Filters=default)["Vpcs"][0]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    zones = {one["ZoneName"] for one in ec2.describe_availability_zones()["AvailabilityZones"]}
    assert {one["AvailabilityZone"] for one in subnets} == zones
    assert cloud.launch(SubnetId=subnets[0]["SubnetId"])["SubnetId"] == subnets[0]["SubnetId"]


def test_the_interface_form_of_a_launch_works(cloud: Cloud) -> None:
    ec2 = cloud.client()
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=subnet["VpcId"])["GroupId"]
    interface = {
        "DeviceIndex": 0,
        "SubnetId": subnet["SubnetId"],
        "Groups": [group],
        "AssociatePublicIpAddress": True,
        "DeleteOnTermination": True,
    }
    instance = cloud.launch(NetworkInterfaces=[interface])
    assert instance["PublicIpAddress"] == cloud.machines.made[instance["InstanceId"]].address
    assert [one["GroupId"] for one in instance["SecurityGroups"]] == [group]


def test_statuses_are_ok_while_it_runs(cloud: Cloud) -> None:
    instance_id = cloud.running()
    status = cloud.client().describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"][0]
    assert (status["InstanceStatus"]["Status"], status["SystemStatus"]["Status"]) == ("ok", "ok")


def test_user_data_may_be_binary(cloud: Cloud) -> None:
    instance_id = cloud.launch(UserData=b"\x1f\x8b\x08\xff")["InstanceId"]
    assert cloud.machines.made[instance_id].user_data == b"\x1f\x8b\x08\xff"
    value = cloud.client().describe_instance_attribute(InstanceId=instance_id, Attribute="userData")["UserData"]
    assert base64.b64decode(value["Value"]) == b"\x1f\x8b\x08\xff"
