from __future__ import annotations

import boto3
import pytest
from botocore.validate import validate_parameters
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import StateReason

from amiforge.ec2.builder import Builder
from amiforge.ec2.capacity import Candidate
from amiforge.ec2.image import image_name
from amiforge.ec2.instances import wait_running
from amiforge.ec2.launch import Order, request, token
from amiforge.ec2.network import Subnet, own_cidrs, subnets
from amiforge.ec2.resolve import ResolvedImage, Volume
from amiforge.ec2.tags import Tags
from amiforge.errors import ConfigError, LaunchFailed
from tests.unit.ec2.cloud import REGION, Cloud

IMAGE = ResolvedImage(
    ami="ami-1",
    name="source",
    owner="1",
    architecture="x86_64",
    root_device="/dev/xvda",
    volumes=(Volume(device="/dev/xvda", gib=20), Volume(device="/dev/sdb", gib=100)),
    creation_date="",
)
A, B = Subnet("subnet-a", "vpc", "a", "10.0.0.0/24"), Subnet("subnet-b", "vpc", "b", "10.0.1.0/24")
PLACE = Candidate("m6i.large", A)


def order(**options: object) -> Order:
    builder = Builder.model_validate(options)
    return Order("builder", IMAGE, builder, "key", "sg-1", "data", Tags("20261123-114854-k3x9", ""))


def test_a_token_is_the_same_for_the_same_attempt_and_another_for_any_other() -> None:
    one = token(order(), PLACE, 0)
    assert one == token(order(), PLACE, 0)
    others = Candidate("m6i.large", B), Candidate("m6i.large", A, "spot"), Candidate("m6i.large", A, reservation="cr-1")
    assert len({one, token(order(), PLACE, 1), *(token(order(), other, 0) for other in others)}) == 5
    assert len(one) <= 64
    assert one.isascii()


def test_every_volume_is_encrypted_and_goes_with_its_instance() -> None:
    root, extra = request(order(kms_key="alias/mine"), PLACE, 0)["BlockDeviceMappings"]
    assert root["DeviceName"] == "/dev/xvda"
    assert root["Ebs"] == {
        "VolumeType": "gp3",
        "Iops": 3000,
        "Throughput": 125,
        "Encrypted": True,
        "DeleteOnTermination": True,
        "VolumeSize": 20,
        "KmsKeyId": "alias/mine",
    }
    assert (extra["DeviceName"], extra["Ebs"]["Encrypted"], extra["Ebs"]["DeleteOnTermination"]) == (
        "/dev/sdb",
        True,
        True,
    )


@pytest.mark.parametrize(("wanted", "given"), [(0, 20), (10, 20), (50, 50)])
def test_the_root_volume_is_never_smaller_than_the_image(wanted: int, given: int) -> None:
    assert request(order(volume_gib=wanted), PLACE, 0)["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == given


def test_metadata_needs_a_token_and_a_shutdown_from_inside_ends_the_instance() -> None:
    asked = request(order(), PLACE, 0)
    assert asked["MetadataOptions"]["HttpTokens"] == "required"
    assert asked["InstanceInitiatedShutdownBehavior"] == "terminate"


@pytest.mark.parametrize(("address", "public"), [("public", True), ("private", False)])
def test_a_public_address_is_given_only_where_it_is_used(address: str, public: bool) -> None:
    asked = request(order(address=address, profile="builders"), PLACE, 0)
    assert asked["NetworkInterfaces"][0]["AssociatePublicIpAddress"] is public
    assert asked["IamInstanceProfile"] == {"Name": "builders"}


def test_each_market_is_asked_for_in_its_own_way() -> None:
    spot = request(order(spot_max_price=1.5), Candidate("m6i.large", A, "spot"), 0)
    assert spot["InstanceMarketOptions"] == {
        "MarketType": "spot",
        "SpotOptions": {
            "SpotInstanceType": "one-time",
            "InstanceInterruptionBehavior": "terminate",
            "MaxPrice": "1.500000",
        },
    }
    assert "spot-instances-request" in [tags["ResourceType"] for tags in spot["TagSpecifications"]]
    block = request(order(), Candidate("p5.48xlarge", A, "capacity-block", "cr-1"), 0)
    assert block["InstanceMarketOptions"] == {"MarketType": "capacity-block"}
    reserved = request(order(), Candidate("m6i.large", A, "capacity-reservation", "cr-1"), 0)
    assert "InstanceMarketOptions" not in reserved
    for asked in (block, reserved):
        target = {"CapacityReservationId": "cr-1"}
        assert asked["CapacityReservationSpecification"] == {"CapacityReservationTarget": target}
    plain = request(order(), PLACE, 0)
    assert not {"InstanceMarketOptions", "CapacityReservationSpecification"} & plain.keys()


@pytest.mark.parametrize(
    "place", [Candidate("m6i.large", A, "spot"), Candidate("m6i.large", A, "capacity-block", "cr-1")]
)
def test_botocore_knows_every_parameter_of_a_launch(place: Candidate) -> None:
    client = boto3.client("ec2", region_name=REGION)
    shape = client.meta.service_model.operation_model("RunInstances").input_shape
    assert shape is not None
    validate_parameters({**request(order(spot_max_price=0.5), place, 0)}, shape)


def test_an_instance_that_ec2_ended_itself_gives_its_reason(cloud: Cloud) -> None:
    made = cloud.clients.once.run_instances(ImageId=cloud.source, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    instance = ec2_backends["123456789012"][REGION].get_instance(made)
    instance._state.name, instance._state.code = "terminated", 48
    instance.state_reason = StateReason("The key is disabled", "Client.InvalidKMSKey.InvalidState")
    with pytest.raises(LaunchFailed, match="is terminated and will not be running") as caught:
        wait_running(cloud.clients, made, 600)
    assert caught.value.lines["reason"] == "Client.InvalidKMSKey.InvalidState: The key is disabled"


def test_subnets_of_ones_own_keep_their_order_and_must_be_of_one_vpc(cloud: Cloud) -> None:
    ids = [subnet.id for subnet in subnets(cloud.clients, ())]
    assert len(ids) > 1
    assert [subnet.id for subnet in subnets(cloud.clients, ids[::-1])] == ids[::-1]
    other = cloud.clients.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    far = cloud.clients.ec2.create_subnet(VpcId=other, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    with pytest.raises(ConfigError, match="several VPCs"):
        subnets(cloud.clients, [ids[0], far])


def test_without_a_default_vpc_the_error_names_the_option(cloud: Cloud) -> None:
    for subnet in cloud.clients.ec2.describe_subnets()["Subnets"]:
        cloud.clients.ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    with pytest.raises(ConfigError) as caught:
        subnets(cloud.clients, ())
    assert "builder.subnets" in caught.value.lines["fix"]


@pytest.mark.sockets
def test_ones_own_address_towards_a_private_builder_is_that_of_the_route(cloud: Cloud) -> None:
    assert own_cidrs(cloud.clients, Subnet("s", "v", "z", "127.9.0.0/24"), "private") == ("127.0.0.1/32",)


def test_image_names_are_filled_in_and_checked() -> None:
    assert image_name("amiforge-{recipe}-{run}", recipe="base", run="r1") == "amiforge-base-r1"
    with pytest.raises(ConfigError, match=r"there is no field \{nothing\}"):
        image_name("{nothing}", recipe="base")
    for bad in ("ab", "x" * 129, "name#1", "ümlaut"):
        with pytest.raises(ConfigError, match="no image name"):
            image_name(bad)
