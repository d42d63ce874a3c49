"""Machines that only pretend, and an endpoint in front of them seen through boto3."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.iam.models import IAMBackend, iam_backends
from moto.kms.models import KmsBackend, kms_backends
from moto.servicequotas.models import ServiceQuotasBackend, servicequotas_backends
from moto.ssm.models import SimpleSystemManagerBackend, ssm_backends
from moto.sts.models import STSBackend, sts_backends

from amiforge.sandbox.api.records import Device, ImageRecord
from amiforge.sandbox.faults import Harm

SOURCE = ImageRecord(
    id="ami-0source",
    name="al2023-ami-2023.9-x86_64",
    created=datetime(2025, 9, 1, tzinfo=UTC),
    layers=("ami-0source",),
    devices=(Device("/dev/xvda", "snap-0source", size=20, throughput=125, iops=3000),),
    owner_id="137112412989",
    owner_alias="amazon",
    public=True,
)
PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.12-x86_64"


def put_moto_back() -> None:
    """Put moto's own services in the place of an endpoint's: other tests in this process use them as they are."""
    services: tuple[tuple[Any, Any], ...] = (
        (ec2_backends, EC2Backend),
        (iam_backends, IAMBackend),
        (kms_backends, KmsBackend),
        (servicequotas_backends, ServiceQuotasBackend),
        (ssm_backends, SimpleSystemManagerBackend),
        (sts_backends, STSBackend),
    )
    for backends, plain in services:
        backends.clear()
        backends.backend = plain


@dataclass(eq=False)
class FakeMachine:
    instance_id: str
    layers: tuple[str, ...]
    address: str
    user_data: bytes
    public_keys: tuple[str, ...]
    images: Path
    alive: bool = False
    boots: int = 0
    removed: bool = False
    broken: str = ""
    suffered: list[str] = field(default_factory=list)
    #: Cleared to make a shutdown or a copy last.
    quick: Event = field(default_factory=Event)

    def start(self) -> None:
        if self.broken:
            raise RuntimeError(self.broken)
        self.alive, self.boots = True, self.boots + 1

    def stop(self, timeout: float) -> None:
        self.quick.wait(timeout)
        self.alive = False

    def reboot(self) -> None:
        self.boots += 1

    def kill(self) -> None:
        self.quick.set()
        self.alive = False

    def answers(self) -> bool:
        return self.alive

    @contextmanager
    def suffer(self, harm: Harm) -> Iterator[None]:
        self.suffered.append(harm.harm)
        yield
        self.suffered.append(f"end of {harm.harm}")

    def console(self) -> str:
        return f"boot {self.boots} of {self.instance_id}: naïve\n"

    def freeze(self, image_id: str) -> None:
        self.quick.wait(10)
        if self.broken:
            raise RuntimeError(self.broken)
        (self.images / image_id / "layer").mkdir(parents=True)

    def remove(self) -> None:
        self.removed = True


@dataclass
class FakeMachines:
    images: Path
    made: dict[str, FakeMachine] = field(default_factory=dict)
    discarded: list[str] = field(default_factory=list)
    broken: str = ""
    limit: int = 100

    def create(
        self, instance_id: str, layers: tuple[str, ...], *, address: str, user_data: bytes, public_keys: tuple[str, ...]
    ) -> FakeMachine:
        if len(self.made) == self.limit:
            raise OSError("no space left on device")
        machine = FakeMachine(instance_id, layers, address, user_data, public_keys, self.images, broken=self.broken)
        machine.quick.set()
        self.made[instance_id] = machine
        return machine

    def discard(self, image_id: str) -> None:
        self.discarded.append(image_id)
        layer = self.images / image_id / "layer"
        if layer.exists():
            layer.rmdir()
        (self.images / image_id).rmdir()


class FakeAddresses:
    def __init__(self) -> None:
        self._numbers = count(1)
        self.free: list[str] = []

    def take(self) -> str:
        return f"127.1.0.{next(self._numbers)}"

    def give_back(self, address: str) -> None:
        self.free.append(address)


@dataclass
class Cloud:
    """A running endpoint and what is behind it."""

    url: str
    machines: FakeMachines
    addresses: FakeAddresses
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str = "ec2", region: str = "us-east-1") -> Any:
        """Give a client that calls once and does not try again."""
        if (service, region) not in self.clients:
            self.clients[service, region] = boto3.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self.url,
                region_name=region,
                aws_access_key_id="sandbox",
                aws_secret_access_key="sandbox",  # noqa: S106
                config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
            )
        return self.clients[service, region]

    def order(self, **fault: Any) -> None:
        """Order a fault."""
        self.ask("faults", "POST", **fault)

    def ask(self, what: str, method: str = "GET", /, **body: Any) -> Any:
        """Ask the endpoint about itself."""
        content = json.dumps(body).encode() if body else None
        with urlopen(Request(f"{self.url}/amiforge/{what}", content, method=method)) as answer:  # noqa: S310
            return json.load(answer)

    def launch(self, **options: Any) -> Any:
        wanted = {"ImageId": SOURCE.id, "InstanceType": "m6i.large", "MinCount": 1, "MaxCount": 1, **options}
        return self.client().run_instances(**wanted)["Instances"][0]

    def instance(self, instance_id: str) -> Any:
        return self.client().describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]

    def state(self, instance_id: str) -> str:
        return str(self.instance(instance_id)["State"]["Name"])

    def reach(self, instance_id: str, state: str) -> Any:
        until(lambda: self.state(instance_id) == state)
        return self.instance(instance_id)

    def image(self, image_id: str, region: str = "us-east-1") -> Any:
        return self.client(region=region).describe_images(ImageIds=[image_id])["Images"][0]

    def running(self, **options: Any) -> str:
        instance_id = str(self.launch(**options)["InstanceId"])
        self.reach(instance_id, "running")
        return instance_id

    def baked(self, name: str = "baked", **options: Any) -> tuple[str, str]:
        instance_id = self.running()
        image_id = str(self.client().create_image(InstanceId=instance_id, Name=name, **options)["ImageId"])
        until(lambda: self.image(image_id)["State"] != "pending")
        return instance_id, image_id

    def copied(self, image_id: str, region: str = "us-west-2", **options: Any) -> str:
        """Give the id of a copy that is no longer pending."""
        wanted = {"SourceImageId": image_id, "SourceRegion": "us-east-1", "Name": f"copy of {image_id}", **options}
        copy_id = str(self.client(region=region).copy_image(**wanted)["ImageId"])
        until(lambda: self.image(copy_id, region)["State"] != "pending")
        return copy_id


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "it did not come true within 10 s"
        time.sleep(0.01)


def refused(error: pytest.ExceptionInfo[ClientError]) -> str:
    """Give the code that a call was refused with."""
    return str(error.value.response["Error"]["Code"])


def refusal_of(call: Callable[[], Any]) -> str:
    """Give the code that a call is refused with; nothing if it is not."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def subnet(cloud: Cloud, zone: str) -> str:
    """Give the id of the default subnet of a zone."""
    here = [{"Name": "availability-zone", "Values": [zone]}]
    return str(cloud.client().describe_subnets(Filters=here)["Subnets"][0]["SubnetId"])
