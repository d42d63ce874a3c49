"""The machines that are measured: instances of the sandbox, prepared, watched and counted over plain ssh."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from amiforge.sandbox.endpoint import Endpoint
from tests.bench.workload import PREPARE, STATE
from tests.sandbox.cloud import Cloud

_LOGIN = re.compile(r"Accepted publickey for \S+ from \S+ port (\d+)")
_SESSION = re.compile(r"Starting session: .* from \S+ port (\d+) id \d+")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What an sshd saw."""

    connections: int
    sessions: int


def traffic(log: str, but_port: str) -> Traffic:
    """Count logins and sessions in sshd's log at level VERBOSE, save those of the client that reads the log."""
    logins = [port for port in _LOGIN.findall(log) if port != but_port]
    sessions = [port for port in _SESSION.findall(log) if port != but_port]
    return Traffic(len(logins), len(sessions))


@dataclass(frozen=True, slots=True)
class Machine:
    """An instance; `host_key` is its public key."""

    cloud: Cloud
    id: str
    address: str
    host_key: str

    def root(self, script: str) -> str:
        """Run sh text as root, and give its output."""
        return self.cloud.ssh(self.id, f"sudo -n sh -c {shlex.quote(script)}", 300)

    def state(self) -> str:
        """Give everything that the workload is about."""
        return self.root(STATE)

    def mark(self) -> str:
        """Give this moment's place in the log."""
        return self.root("journalctl --sync; journalctl -q -n0 --show-cursor").rpartition("-- cursor: ")[2]

    def traffic_since(self, mark: str) -> Traffic:
        """Count what sshd saw since a moment."""
        read = f"journalctl --sync; journalctl -q -o cat --after-cursor={shlex.quote(mark)} -t sshd"
        reading = f"echo $SSH_CONNECTION; sudo -n sh -c {shlex.quote(read)}"
        connection, _, log = self.cloud.ssh(self.id, reading).partition("\n")
        return traffic(log, but_port=connection.split()[1])


@contextmanager
def machines(endpoint: Endpoint, folder: Path) -> Iterator[Launcher]:
    """Give a launcher of machines; they, their key pair and images named after it are gone at the end."""
    key = folder / "key"
    key.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    cloud = Cloud(endpoint, key, f"bench-{uuid4().hex[:8]}")
    ec2 = cloud.client()
    ec2.import_key_pair(KeyName=cloud.key_name, PublicKeyMaterial=key.with_suffix(".pub").read_bytes())
    try:
        yield Launcher(cloud)
    finally:
        ours = [{"Name": "key-name", "Values": [cloud.key_name]}]
        found = [one for each in ec2.describe_instances(Filters=ours)["Reservations"] for one in each["Instances"]]
        if found:
            ec2.terminate_instances(InstanceIds=[one["InstanceId"] for one in found])
        images = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": [f"{cloud.key_name}-*"]}])
        for image in images["Images"]:
            ec2.deregister_image(ImageId=image["ImageId"], DeleteAssociatedSnapshots=True)
        ec2.delete_key_pair(KeyName=cloud.key_name)


@dataclass(frozen=True, slots=True)
class Launcher:
    """Makes machines, all alike."""

    cloud: Cloud

    def launch(self) -> Machine:
        """Give a new machine in the state from which every tool starts."""
        instance = self.cloud.running(self.cloud.source())
        host_key = self.cloud.ssh(instance, "cat /etc/ssh/ssh_host_ed25519_key.pub")
        address = self.cloud.instance(instance)["PublicIpAddress"]
        machine = Machine(self.cloud, instance, address, " ".join(host_key.split()[:2]))
        machine.root(PREPARE)
        return machine

    def remove(self, machine: Machine) -> None:
        """End a machine."""
        self.cloud.client().terminate_instances(InstanceIds=[machine.id])
