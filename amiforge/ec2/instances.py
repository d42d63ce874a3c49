"""Instances of a run as EC2 describes them: found, awaited, stopped, terminated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from amiforge.ec2.poll import Wait, poll
from amiforge.ec2.refusal import code
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import Tags
from amiforge.errors import AwsRefused, BakeError, LaunchFailed, Parked

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

#: Control sequences and characters other than ends of lines.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x09\x0b-\x1f\x7f]")
_TAIL = 120
#: Seconds after which a console is looked at while we wait, and between two such looks.
_CONSOLE = 60

#: EC2's word for an instance that was shut down from inside. Source: DescribeInstances, EC2 API reference, StateReason.
FROM_INSIDE = "Client.InstanceInitiatedShutdown"

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
        instance_of(instance)
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    )


def wait_running(
    clients: Clients, instance_id: str, deadline: float, late: type[LaunchFailed] = LaunchFailed
) -> Instance:
    """Wait until an instance runs.

    Raises:
        LaunchFailed: it ended instead, with EC2's reason; `late` when it took too long.
    """
    wait = Wait(f"instance {instance_id} to be running", deadline, late)
    return _Watch(clients, instance_id, wait, LaunchFailed).until("running", ("pending",))


def stop(clients: Clients, instance_id: str, deadline: float, *, force_after: float = 0) -> Instance:
    """Stop an instance and wait until it is stopped. A GPU or metal instance may take half an hour.

    Args:
        clients: of the region.
        instance_id: which; one that stops or is stopped already is as welcome.
        deadline: seconds it may take.
        force_after: seconds after which EC2 is asked, once, to stop it by force; 0 for never.

    Raises:
        BakeError: it ended instead.
        Parked: it takes longer, and may well stop later.
    """
    try:
        clients.ec2.stop_instances(InstanceIds=[instance_id])
    except AwsRefused as error:
        if code(error) != "IncorrectInstanceState":
            raise
        # Its state says the rest, with the reason.
    wait = Wait(f"instance {instance_id} to be stopped", deadline, Parked)
    watch = _Watch(clients, instance_id, wait, BakeError, force_after)
    return watch.until("stopped", ("pending", "running", "stopping"))


def on_shutdown(clients: Clients, instance_id: str, becomes: Literal["stop", "terminate"]) -> None:
    """Say what a shutdown from inside does to the instance; as it was launched, it terminates it."""
    clients.ec2.modify_instance_attribute(InstanceId=instance_id, InstanceInitiatedShutdownBehavior={"Value": becomes})


def terminate(clients: Clients, tags: Tags, role: str = "") -> Iterator[str]:
    """Terminate the run's instances, of a role or all, without waiting; gives what is not yet gone."""
    there = [instance for instance in instances(clients, tags, role) if instance.state != "terminated"]
    doomed = [instance.id for instance in there if instance.state in _ALIVE]
    if doomed:
        terminate_instances(clients, doomed)
    for instance in there:
        yield f"instance {instance.id} ({instance.state})"


def terminate_instances(clients: Clients, ids: Sequence[str]) -> None:
    """Terminate instances, whatever they are doing, also those that are stopping; without waiting."""
    try:
        clients.ec2.terminate_instances(InstanceIds=list(ids))
    except AwsRefused as error:
        if code(error) != "InvalidInstanceID.NotFound":
            raise


def leftover_volumes(clients: Clients, tags: Tags) -> Iterator[str]:
    """Delete volumes of the run that outlived their instances; gives what is still there."""
    for volume in clients.ec2.describe_volumes(Filters=tags.filters())["Volumes"]:
        if volume["State"] == "available":
            clients.ec2.delete_volume(VolumeId=volume["VolumeId"])
        else:
            yield f"volume {volume['VolumeId']} ({volume['State']})"


def console(clients: Clients, instance_id: str, most: int = 2000) -> str:
    """Give the end of what an instance printed on its console; empty when EC2 has nothing yet or does not say.

    What would disturb a terminal is left out.

    What it printed just now is known of Nitro types only; of others, what it printed at its boot. Source:
    GetConsoleOutput, EC2 API reference, parameter Latest.
    """
    for latest in (True, False):
        with suppress(AwsRefused):
            text = clients.once.get_console_output(InstanceId=instance_id, Latest=latest).get("Output", "")
            return _CONTROL.sub("", text)[-most:]
    return ""


def console_tail(clients: Clients, instance_id: str) -> str:
    """Give the last line on an instance's console."""
    lines = [line for line in console(clients, instance_id).splitlines() if line.strip()]
    return lines[-1].strip()[-_TAIL:] if lines else ""


@dataclass
class _Watch:
    """A look at an instance again and again, until it is in the state that is wanted."""

    clients: Clients
    instance_id: str
    wait: Wait
    ended: type[BakeError]
    force_after: float = 0
    started: float = field(init=False)
    consulted: float = field(init=False)
    tail: str = ""

    def until(self, wanted: str, passing: Sequence[str]) -> Instance:
        """Wait for a state; any that is neither wanted nor passing is the end."""
        self.started = self.consulted = self.clients.pace.clock()

        def progress(instance: Instance) -> str | None:
            if instance.state == wanted:
                return None
            if instance.state in passing:
                return self._said(instance.state)
            raise self.ended(
                f"instance {self.instance_id} is {instance.state} and will not be {wanted}", reason=instance.reason
            )

        return poll(self.wait, self._look, progress, self.clients.pace)

    def _look(self) -> Instance:
        found = self.clients.ec2.describe_instances(InstanceIds=[self.instance_id])["Reservations"]
        return instance_of(found[0]["Instances"][0])

    def _said(self, state: str) -> str:
        """Give what a state is told as; the console's last line stands beside it once the wait is long."""
        now = self.clients.pace.clock()
        if self.force_after and now - self.started >= self.force_after:
            self.force_after = 0
            self.clients.ec2.stop_instances(InstanceIds=[self.instance_id], Force=True)
            return f"{state}, now by force"
        if now - self.consulted >= _CONSOLE:
            self.consulted = now
            self.tail = console_tail(self.clients, self.instance_id)
        return f"{state}; console: {self.tail}" if self.tail else state


def instance_of(instance: InstanceTypeDef) -> Instance:
    """Give an instance as EC2 describes it in its answers."""
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
