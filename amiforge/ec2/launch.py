"""Launching an instance of a run where EC2 has room for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from amiforge.ec2.builder import Builder
from amiforge.ec2.capacity import Candidate
from amiforge.ec2.instances import Instance, find_instance, wait_running
from amiforge.ec2.make import make_once
from amiforge.ec2.refusal import kind
from amiforge.ec2.resolve import ResolvedImage
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import Tags
from amiforge.errors import AwsRefused, LaunchFailed

if TYPE_CHECKING:
    from mypy_boto3_ec2.literals import InstanceTypeType
    from mypy_boto3_ec2.type_defs import (
        BlockDeviceMappingTypeDef,
        EbsBlockDeviceTypeDef,
        RunInstancesRequestTypeDef,
    )


@dataclass(frozen=True, slots=True)
class Order:
    """An instance to launch.

    Attributes:
        role: what it is for, and its tag: `builder`, `verify`.
        image: what it boots.
        builder: volume, profile and address.
        key_name: the key pair to log in with.
        group: its security group.
        user_data: what cloud-init gets.
        tags: those of the run.
    """

    role: str
    image: ResolvedImage
    builder: Builder
    key_name: str
    group: str
    user_data: str
    tags: Tags


def launch(clients: Clients, order: Order, places: Sequence[Candidate], deadline: float) -> Instance:
    """Launch where EC2 has room, in the order of the places, and wait until the instance runs.

    Raises:
        LaunchFailed: EC2 has room in none of them, or ended the instance; says what each answered.
        AwsRefused: any other refusal.
    """
    answers: list[str] = []
    for attempt, place in enumerate(places):
        try:
            instance_id = make_once(
                lambda place=place, attempt=attempt: _send(clients, order, place, attempt),  # type: ignore[misc]
                lambda: _living(clients, order),
                clients.pace,
            )
            return wait_running(clients, instance_id, deadline)
        except (AwsRefused, LaunchFailed) as error:
            # With an instance that EC2 ended itself, its reason stands where a refused call has its code.
            if isinstance(error, AwsRefused) and kind(error) not in {"capacity", "quota"}:
                raise
            if isinstance(error, LaunchFailed) and "Insufficient" not in error.lines.get("reason", ""):
                raise
            answers.append(f"{place}: {error.lines.get('code') or error.lines.get('reason')}")
            clients.pace.on_wait("room for the instance", 0, answers[-1])
    raise LaunchFailed(
        f"EC2 has no room for the {order.role} instance in any of {len(places)} places",
        answers="\n".join(answers),
        fix="give more builder.instance_types or builder.subnets, or try later",
    )


def token(order: Order, place: Candidate, attempt: int) -> str:
    """Give the client token of one attempt: the same for the same request, in whichever process sends it.

    At most 64 ASCII characters. Source: RunInstances, EC2 API reference.
    """
    asked = "/".join((order.role, order.image.ami, place.instance_type, place.subnet.id, str(attempt)))
    return f"{order.tags.run}-{hashlib.sha256(asked.encode()).hexdigest()[:24]}"


def request(order: Order, place: Candidate, attempt: int) -> RunInstancesRequestTypeDef:
    """Give the whole call for one attempt. Everything that is safe by being set is set here."""
    asked: RunInstancesRequestTypeDef = {
        "ImageId": order.image.ami,
        "InstanceType": cast("InstanceTypeType", place.instance_type),
        "MinCount": 1,
        "MaxCount": 1,
        "KeyName": order.key_name,
        "ClientToken": token(order, place, attempt),
        "UserData": order.user_data,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 2},
        "BlockDeviceMappings": [*_volumes(order)],
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": place.subnet.id,
                "Groups": [order.group],
                "AssociatePublicIpAddress": order.builder.address == "public",
                "DeleteOnTermination": True,
            }
        ],
        "TagSpecifications": order.tags.temporary(order.role, "instance", "volume", "network-interface"),
    }
    if order.builder.profile:
        asked["IamInstanceProfile"] = {"Name": order.builder.profile}
    return asked


def _send(clients: Clients, order: Order, place: Candidate, attempt: int) -> str:
    return clients.once.run_instances(**request(order, place, attempt))["Instances"][0]["InstanceId"]


def _living(clients: Clients, order: Order) -> str | None:
    found = find_instance(clients, order.tags, order.role)
    return found.id if found else None


def _volumes(order: Order) -> Iterator[BlockDeviceMappingTypeDef]:
    """Give every volume of the image, encrypted and gone with its instance; the root volume as ordered."""
    builder, image = order.builder, order.image
    extra = [volume for volume in image.volumes if volume.device != image.root_device]
    root: EbsBlockDeviceTypeDef = {
        "VolumeType": "gp3",
        "Iops": builder.volume_iops,
        "Throughput": builder.volume_throughput,
        "Encrypted": True,
        "DeleteOnTermination": True,
    }
    if size := max(builder.volume_gib, image.root_gib):
        root["VolumeSize"] = size
    if builder.kms_key:
        root["KmsKeyId"] = builder.kms_key
    yield {"DeviceName": image.root_device, "Ebs": root}
    for volume in extra:
        yield {
            "DeviceName": volume.device,
            "Ebs": {"VolumeSize": volume.gib, "Encrypted": True, "DeleteOnTermination": True},
        }
