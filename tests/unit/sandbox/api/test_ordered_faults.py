from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

from tests.unit.sandbox.api.fakes import refusal_of, refused, subnet, until
from tests.unit.sandbox.api.test_network_and_keys_api import fresh_public_key

if TYPE_CHECKING:
    from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets


def test_states_last_as_long_as_was_ordered(cloud: Cloud) -> None:
    for what in ("pending", "stopping", "shutting-down"):
        cloud.order(kind="late", what=what, seconds=0.3)
    instance_id = cloud.launch()["InstanceId"]
    assert cloud.state(instance_id) == "pending"
    cloud.reach(instance_id, "running")
    cloud.client().stop_instances(InstanceIds=[instance_id])
    assert cloud.state(instance_id) == "stopping"
    cloud.reach(instance_id, "stopped")
    cloud.client().terminate_instances(InstanceIds=[instance_id])
    assert cloud.state(instance_id) == "shutting-down"
    cloud.reach(instance_id, "terminated")


def test_a_late_image_stays_pending_with_progress_also_when_its_instance_has_gone(cloud: Cloud) -> None:
    cloud.order(kind="late", what="image", seconds=100)
    instance_id = cloud.running()
    image_id = cloud.client().create_image(InstanceId=instance_id, Name="late", NoReboot=True)["ImageId"]
    cloud.client().terminate_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "terminated")
    assert cloud.image(image_id)["State"] == "pending"
    until(lambda: cloud.client().describe_snapshots(OwnerIds=["self"])["Snapshots"][0]["Progress"] not in ("0%", ""))
    assert cloud.machines.discarded == []
    cloud.ask("faults", "DELETE")
    until(lambda: cloud.image(image_id)["State"] == "available")


def test_an_image_that_was_ordered_to_fail_says_why(cloud: Cloud) -> None:
    cloud.order(kind="failed-image", reason="Client.InvalidSnapshot: gone")
    _, image_id = cloud.baked()
    assert (cloud.image(image_id)["State"], cloud.image(image_id)["StateReason"]["Message"]) == (
        "failed",
        "Client.InvalidSnapshot: gone",
    )
    _, image_id = cloud.baked("second")
    assert cloud.image(image_id)["State"] == "available"


def test_where_there_is_no_room_the_launch_is_refused_as_ec2_does(cloud: Cloud) -> None:
    cloud.order(kind="no-room", instance_type="m6i.*", zone="us-east-1a")
    full, free = subnet(cloud, "us-east-1a"), subnet(cloud, "us-east-1b")
    with pytest.raises(ClientError) as error:
        cloud.launch(SubnetId=full)
    assert refused(error) == "InsufficientInstanceCapacity"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "sufficient m6i.large capacity in the Availability Zone you requested (us-east-1a)" in str(error.value)
    assert refusal_of(lambda: cloud.launch(SubnetId=full, DryRun=True)) == "DryRunOperation"
    assert cloud.launch(SubnetId=free)["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert cloud.launch(SubnetId=full, InstanceType="c6i.large")["InstanceId"]
    assert cloud.launch()["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert cloud.machines.made.keys() == set(cloud.ask("health")["instances"])


def test_room_can_be_missing_for_spot_only_and_come_back_after_some_attempts(cloud: Cloud) -> None:
    cloud.order(kind="no-room", zone="us-east-1a", market="spot", times=2)
    where = {"SubnetId": subnet(cloud, "us-east-1a")}
    spot = {**where, "InstanceMarketOptions": {"MarketType": "spot"}}
    assert cloud.launch(**where)["InstanceId"]
    refusals = [refusal_of(lambda: cloud.launch(**spot)) for _ in range(3)]
    assert refusals == ["InsufficientInstanceCapacity", "InsufficientInstanceCapacity", ""]


def test_a_stopped_instance_does_not_start_where_there_is_no_room(cloud: Cloud) -> None:
    instance_id = cloud.running()
    cloud.client().stop_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "stopped")
    cloud.order(kind="no-room", times=1)
    assert (
        refusal_of(lambda: cloud.client().start_instances(InstanceIds=[instance_id])) == "InsufficientInstanceCapacity"
    )
    assert cloud.state(instance_id) == "stopped"
    cloud.client().start_instances(InstanceIds=[instance_id])


def test_a_quota_counts_the_vcpus_that_are_in_use(cloud: Cloud) -> None:
    cloud.order(kind="quota", vcpus=4, instance_type="m6i.*")
    first = cloud.running()
    assert cloud.launch(InstanceType="c6i.4xlarge")["InstanceId"]
    with pytest.raises(ClientError, match="current vCPU limit of 4 allows") as error:
        cloud.launch(InstanceType="m6i.xlarge")
    assert refused(error) == "VcpuLimitExceeded"
    cloud.client().stop_instances(InstanceIds=[first])
    cloud.reach(first, "stopped")
    assert cloud.launch(InstanceType="m6i.xlarge")["InstanceId"]
    assert refusal_of(lambda: cloud.client().start_instances(InstanceIds=[first])) == "VcpuLimitExceeded"


def test_a_spot_quota_has_its_own_code(cloud: Cloud) -> None:
    cloud.order(kind="quota", vcpus=0, market="spot")
    assert (
        refusal_of(lambda: cloud.launch(InstanceMarketOptions={"MarketType": "spot"})) == "MaxSpotInstanceCountExceeded"
    )


def test_an_instance_can_end_at_launch_with_a_reason(cloud: Cloud) -> None:
    cloud.order(kind="failed-launch", code="Server.InsufficientInstanceCapacity", message="none left")
    seen = cloud.reach(cloud.launch()["InstanceId"], "terminated")
    assert seen["StateReason"] == {
        "Code": "Server.InsufficientInstanceCapacity",
        "Message": "Server.InsufficientInstanceCapacity: none left",
    }
    assert cloud.running()


def test_every_nth_call_can_be_throttled(cloud: Cloud) -> None:
    cloud.order(operation="*", error="RequestLimitExceeded", every=3, times=None)
    seen = [refusal_of(cloud.client().describe_vpcs) for _ in range(6)]
    assert seen == ["", "", "RequestLimitExceeded"] * 2


def test_credentials_can_be_expired_for_a_while(cloud: Cloud) -> None:
    ask = cloud.client().describe_vpcs
    cloud.order(operation="*", error="RequestExpired", seconds=0.3, times=None)
    assert refusal_of(ask) == "RequestExpired"
    until(lambda: not refusal_of(ask))
    assert cloud.ask("faults") == []


@pytest.mark.parametrize(
    ("service", "ask"),
    [
        ("ssm", lambda client: client.get_parameter(Name="/a")),
        ("kms", lambda client: client.list_keys()),
        ("service-quotas", lambda client: client.get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")),
        ("sts", lambda client: client.get_caller_identity()),
        ("iam", lambda client: client.list_users()),
    ],
)
def test_a_refusal_has_the_form_of_its_service(cloud: Cloud, service: str, ask: Callable[[Any], Any]) -> None:
    cloud.order(operation="*", error="ExpiredToken", message="expired")
    with pytest.raises(ClientError, match="expired") as error:
        ask(cloud.client(service))
    assert refused(error) == "ExpiredToken"


def test_a_new_instance_is_unknown_by_id_and_missing_by_filter_for_the_first_looks(cloud: Cloud) -> None:
    cloud.order(kind="lag", resource="instance", looks=2)
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "run", "Value": "r1"}]}]
    instance_id = cloud.launch(TagSpecifications=tags, ClientToken="t1")["InstanceId"]
    assert refusal_of(lambda: cloud.state(instance_id)) == "InvalidInstanceID.NotFound"
    by_run = [{"Name": "tag:run", "Values": ["r1"]}]
    assert cloud.client().describe_instances(Filters=by_run)["Reservations"] == []
    assert len(cloud.client().describe_instances(Filters=by_run)["Reservations"]) == 1
    assert cloud.launch(TagSpecifications=tags, ClientToken="t1")["InstanceId"] == instance_id
    cloud.reach(instance_id, "running")


def test_a_new_image_is_unknown_for_a_while(cloud: Cloud) -> None:
    instance_id = cloud.running()
    cloud.order(kind="lag", resource="image", seconds=0.3)
    image_id = cloud.client().create_image(InstanceId=instance_id, Name="new")["ImageId"]
    assert refusal_of(lambda: cloud.image(image_id)) == "InvalidAMIID.NotFound"
    assert cloud.client().describe_images(Owners=["self"])["Images"] == []
    assert (
        refusal_of(lambda: cloud.client().create_image(InstanceId=instance_id, Name="new"))
        == "InvalidAMIName.Duplicate"
    )
    until(lambda: len(cloud.client().describe_images(Owners=["self"])["Images"]) == 1)


def test_new_groups_and_key_pairs_are_unknown_to_a_launch(cloud: Cloud) -> None:
    cloud.order(kind="lag", looks=1)
    ec2 = cloud.client()
    group = ec2.create_security_group(GroupName="g", Description="g")["GroupId"]
    ec2.import_key_pair(KeyName="k", PublicKeyMaterial=fresh_public_key())
    assert "k" not in [one["KeyName"] for one in ec2.describe_key_pairs()["KeyPairs"]]
    assert refusal_of(lambda: cloud.launch(SecurityGroupIds=[group], KeyName="k")) == "InvalidGroup.NotFound"
    assert [one["KeyName"] for one in ec2.describe_key_pairs(KeyNames=["k"])["KeyPairs"]] == ["k"]


def test_clearing_makes_everything_known(cloud: Cloud) -> None:
    cloud.order(kind="lag", seconds=100)
    instance_id = cloud.launch()["InstanceId"]
    assert refusal_of(lambda: cloud.state(instance_id)) == "InvalidInstanceID.NotFound"
    cloud.ask("faults", "DELETE")
    cloud.reach(instance_id, "running")


def test_a_harm_befalls_the_next_instance_of_its_role_once(cloud: Cloud) -> None:
    cloud.order(kind="harm", harm="lock", role="builder")
    plain = cloud.running()
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "amiforge:role", "Value": "builder"}]}]
    first, second = (cloud.running(TagSpecifications=tags) for _ in range(2))
    until(lambda: cloud.machines.made[first].suffered == ["lock"])
    assert cloud.machines.made[plain].suffered == cloud.machines.made[second].suffered == []
    cloud.ask("faults", "DELETE")
    until(lambda: cloud.machines.made[first].suffered == ["lock", "end of lock"])


def test_a_harm_to_a_running_instance_lasts_as_long_as_was_ordered(cloud: Cloud) -> None:
    instance_id = cloud.running()
    cloud.order(kind="harm", harm="read-only", instance=instance_id, after=0.1, seconds=0.2)
    assert cloud.machines.made[instance_id].suffered == []
    assert [row["times"] for row in cloud.ask("faults")] == [0]
    until(lambda: cloud.machines.made[instance_id].suffered == ["read-only", "end of read-only"])
    until(lambda: cloud.ask("faults") == [])


def test_a_harm_ends_with_its_instance(cloud: Cloud) -> None:
    instance_id = cloud.running()
    cloud.order(kind="harm", harm="full-disk", instance=instance_id)
    until(lambda: cloud.machines.made[instance_id].suffered == ["full-disk"])
    cloud.client().terminate_instances(InstanceIds=[instance_id])
    until(lambda: cloud.machines.made[instance_id].suffered == ["full-disk", "end of full-disk"])


def test_a_slow_link_is_slow_before_its_machine_boots(cloud: Cloud) -> None:
    cloud.order(kind="harm", harm="slow-link")
    cloud.machines.broken = "does not boot"
    assert cloud.machines.made[cloud.launch()["InstanceId"]].suffered[0] == "slow-link"


def test_a_spot_instance_can_be_taken_back(cloud: Cloud) -> None:
    cloud.order(kind="harm", harm="interruption")
    seen = cloud.reach(cloud.launch()["InstanceId"], "terminated")
    assert seen["StateReason"]["Code"] == seen["StateTransitionReason"] == "Server.SpotInstanceTermination"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"operation": "RunInstance"}, "OPERATION: there is none called 'RunInstance'"),
        ({"kind": "harm", "harm": "reboot", "instance": "i-0absent"}, "--instance: i-0absent does not run"),
        ({"kind": "harm", "harm": "earthquake"}, "not a fault: harm: "),
        ({"kind": "no-room", "zones": "x"}, "not a fault: zones: "),
        ({"kind": "late", "what": "image", "seconds": -1}, "not a fault: seconds: "),
    ],
)
def test_what_could_never_happen_is_refused_by_name(cloud: Cloud, fault: dict[str, Any], words: str) -> None:
    with pytest.raises(HTTPError) as error:
        cloud.order(**fault)
    with error.value as answer:
        assert answer.status == 400
        assert json.load(answer)["error"].startswith(words)
    assert cloud.ask("faults") == []
