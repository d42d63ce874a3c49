"""Instances of a run: launched, awaited, stopped, terminated."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from amiforge.ec2.builder import Builder
from amiforge.ec2.make import make_once
from amiforge.ec2.network import Subnet
from amiforge.ec2.poll import Wait, poll
from amiforge.ec2.refusal import code, kind
from amiforge.ec2.resolve import ResolvedImage
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import Tags
from amiforge.errors import AwsRefused, BakeError, LaunchFailed

if TYPE_CHECKING:
    from mypy_boto3_ec2.literals import InstanceTypeType
    from mypy_boto3_ec2.type_defs import (
        BlockDeviceMappingTypeDef,
        EbsBlockDeviceTypeDef,
        InstanceTypeDef,
        RunInstancesRequestTypeDef,
    )

_ALIVE = ["pending", "running", "stopping", "stopped"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place to try a launch in."""

    instance_type: str
    subnet: Subnet

    def __str__(self) -> str:
        return f"{self.instance_type} in {self.subnet.zone}"


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


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance as EC2 describes it; `zone` and the addresses are empty until they are known."""

    id: str
    state: str
    instance_type: str
    zone: str
    public_address: str
    private_address: str
    reason: str

    def address(self, which: str) -> str:
        """Give the `public` or `private` address."""
        return self.public_address if which == "public" else self.private_address


def candidates(instance_types: Sequence[str], subnets: Sequence[Subnet]) -> tuple[Candidate, ...]:
    """Give every place to try, the first instance type everywhere before the second anywhere."""
    return tuple(Candidate(kind, subnet) for kind in instance_types for subnet in subnets)


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


def find_instance(clients: Clients, tags: Tags, role: str) -> Instance | None:
    """Give the run's instance of a role that is not terminated, if there is one."""
    return next((instance for instance in instances(clients, tags, role) if instance.state in _ALIVE), None)


def instances(clients: Clients, tags: Tags, role: str = "") -> tuple[Instance, ...]:
    """Give the run's instances in every state that EC2 still shows."""
    pages = clients.ec2.get_paginator("describe_instances").paginate(Filters=tags.filters(role))
    return tuple(
        _instance(instance)
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    )


def wait_running(clients: Clients, instance_id: str, deadline: float) -> Instance:
    """Wait until an instance runs.

    Raises:
        LaunchFailed: it ended instead, with EC2's reason; or it took too long.
    """
    wait = Wait(f"instance {instance_id} to be running", deadline, LaunchFailed)
    return _wait(clients, instance_id, "running", ("pending",), wait)


def stop(clients: Clients, instance_id: str, deadline: float) -> Instance:
    """Stop an instance and wait until it is stopped. A GPU instance may take its time.

    Raises:
        BakeError: it ended instead, or took too long.
    """
    clients.ec2.stop_instances(InstanceIds=[instance_id])
    wait = Wait(f"instance {instance_id} to be stopped", deadline, BakeError)
    return _wait(clients, instance_id, "stopped", ("pending", "running", "stopping"), wait)


def stop_on_shutdown(clients: Clients, instance_id: str) -> None:
    """Make a shutdown from inside stop the instance; until now it would have terminated it."""
    clients.ec2.modify_instance_attribute(InstanceId=instance_id, InstanceInitiatedShutdownBehavior={"Value": "stop"})


def terminate(clients: Clients, tags: Tags, role: str = "") -> Iterator[str]:
    """Terminate the run's instances, of a role or all, without waiting; gives what is not yet gone."""
    there = [instance for instance in instances(clients, tags, role) if instance.state != "terminated"]
    doomed = [instance.id for instance in there if instance.state in _ALIVE]
    if doomed:
        try:
            clients.ec2.terminate_instances(InstanceIds=doomed)
        except AwsRefused as error:
            if code(error) != "InvalidInstanceID.NotFound":
                raise
    for instance in there:
        yield f"instance {instance.id} ({instance.state})"


def leftover_volumes(clients: Clients, tags: Tags) -> Iterator[str]:
    """Delete volumes of the run that outlived their instances; gives what is still there."""
    for volume in clients.ec2.describe_volumes(Filters=tags.filters())["Volumes"]:
        if volume["State"] == "available":
            clients.ec2.delete_volume(VolumeId=volume["VolumeId"])
        else:
            yield f"volume {volume['VolumeId']} ({volume['State']})"


def console(clients: Clients, instance_id: str) -> str:
    """Give the end of what an instance printed on its console; empty when EC2 has nothing yet or does not say."""
    try:
        return clients.ec2.get_console_output(InstanceId=instance_id).get("Output", "")[-2000:]
    except AwsRefused:
        return ""


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


def _wait(clients: Clients, instance_id: str, wanted: str, passing: Sequence[str], wait: Wait) -> Instance:
    def look() -> Instance:
        found = clients.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
        return _instance(found[0]["Instances"][0])

    def progress(instance: Instance) -> str | None:
        if instance.state == wanted:
            return None
        if instance.state in passing:
            return instance.state
        raise wait.late(f"instance {instance_id} is {instance.state} and will not be {wanted}", reason=instance.reason)

    return poll(wait, look, progress, clients.pace)


def _instance(instance: InstanceTypeDef) -> Instance:
    reason = instance.get("StateReason", {})
    return Instance(
        id=instance["InstanceId"],
        state=instance["State"]["Name"],
        instance_type=instance["InstanceType"],
        zone=instance.get("Placement", {}).get("AvailabilityZone", ""),
        public_address=instance.get("PublicIpAddress", ""),
        private_address=instance.get("PrivateIpAddress", ""),
        reason=": ".join(filter(None, (reason.get("Code", ""), reason.get("Message", "")))),
    )
