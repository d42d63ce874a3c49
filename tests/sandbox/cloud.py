"""A real sandbox for tests: its folder stays between runs, because root, mirror and source images take minutes."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from amiforge.sandbox.endpoint import Endpoint
from amiforge.sandbox.folder import Folder

PLAIN = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.12-x86_64"


def suite_folder(name: str) -> Folder:
    """Give the folder of a sandbox of the test suite: beside the user's, sharing its base roots."""
    users = Folder.default()
    folder = Folder(users.path.with_name(f"{users.path.name}-{name}"))
    folder.path.mkdir(parents=True, exist_ok=True)
    users.roots.mkdir(parents=True, exist_ok=True)
    if not folder.roots.exists():
        folder.roots.symlink_to(users.roots)
    return folder


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something by looking again and again."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"it did not come true within {seconds} s"
        time.sleep(0.1)


@dataclass(frozen=True)
class Cloud:
    """The endpoint through boto3, and machines through the plain ssh client."""

    endpoint: Endpoint
    key: Path
    key_name: str

    def client(self, service: str = "ec2") -> Any:
        """Give a client that calls once and does not try again."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint.url,
            region_name=self.endpoint.region,
            aws_access_key_id=self.endpoint.access_key_id,
            aws_secret_access_key=self.endpoint.secret_access_key,
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
        )

    def elsewhere(self, region: str) -> Cloud:
        """Give the same in another region."""
        return replace(self, endpoint=replace(self.endpoint, region=region))

    def source(self) -> str:
        """Give the plain source image's id."""
        return str(self.client("ssm").get_parameter(Name=PLAIN)["Parameter"]["Value"])

    def running(self, image_id: str, **options: Any) -> str:
        """Launch an instance with our key, and wait until its state is `running`."""
        wanted = {"InstanceType": "m6i.large", "MinCount": 1, "MaxCount": 1, "KeyName": self.key_name, **options}
        instance_id = str(self.client().run_instances(ImageId=image_id, **wanted)["Instances"][0]["InstanceId"])
        self.reach(instance_id, "running", seconds=300)  # a source image is made when it is first launched
        return instance_id

    def instance(self, instance_id: str) -> Any:
        """Describe one instance."""
        return self.client().describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]

    def reach(self, instance_id: str, state: str, seconds: float = 60) -> None:
        """Wait until an instance is in a state."""
        until(lambda: self.instance(instance_id)["State"]["Name"] == state, seconds)

    def image(self, instance_id: str, name: str, **options: Any) -> str:
        """Make an image of an instance, and wait until it is available."""
        image_id = str(self.client().create_image(InstanceId=instance_id, Name=name, **options)["ImageId"])
        until(lambda: self.image_state(image_id) != "pending")
        assert self.image_state(image_id) == "available"
        return image_id

    def image_state(self, image_id: str) -> str:
        """Give the state of an image."""
        return str(self.client().describe_images(ImageIds=[image_id])["Images"][0]["State"])

    def with_key(self, key: Path) -> Cloud:
        """Give the same with another private key for ssh."""
        return replace(self, key=key)

    def answers(self, address: str) -> bool:
        """Whether anything listens on an address's ssh port."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            return probe.connect_ex((address, 22)) == 0

    def try_ssh(self, instance_id: str, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on an instance, once, whatever comes of it."""
        address = self.instance(instance_id)["PublicIpAddress"]
        settings = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        options = [
            word for setting in (*settings, "IdentitiesOnly=yes", "ConnectTimeout=5") for word in ("-o", setting)
        ]
        return subprocess.run(
            ["ssh", "-F", "none", "-i", str(self.key), *options, f"ec2-user@{address}", command],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def ssh(self, instance_id: str, command: str, seconds: float = 60) -> str:
        """Run a command on an instance as soon as it lets us in, and give its output."""
        last: list[subprocess.CompletedProcess[str]] = []

        def ran() -> bool:
            last[:] = [self.try_ssh(instance_id, command)]
            return last[0].returncode == 0

        until(ran, seconds)
        return last[0].stdout.strip()
