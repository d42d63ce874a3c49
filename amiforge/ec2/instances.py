"""Instances of a run as EC2 describes them: found, awaited, stopped, terminated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amiforge.ec2.poll import Wait, poll
from amiforge.ec2.refusal import code
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import Tags
from amiforge.errors import AwsRefused, BakeError, LaunchFailed

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

_ALIVE = ["pending", "running", "stopping", "stopped"]


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
