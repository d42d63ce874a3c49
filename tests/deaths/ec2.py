"""An EC2 on the loopback interface with machines that only pretend, and all that is in it, seen from behind."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

from moto.ec2.models import ec2_backends
from moto.ssm.models import ssm_backends
from werkzeug.test import Client

from amiforge.sandbox.api.account import ACCOUNT_ID, Account
from amiforge.sandbox.api.app import App, bind
from amiforge.sandbox.api.records import Device, ImageRecord, ImageRecords
from amiforge.sandbox.faults import Fault
from amiforge.settings import AwsSettings
from tests.deaths.machines import PretendMachines
from tests.unit.sandbox.api.fakes import FakeAddresses, put_moto_back

REGION = "us-east-1"
#: Where images are copied to.
ELSEWHERE = "us-west-2"
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


def warmed() -> App:
    """Give an endpoint that has answered once and is not served yet: a fork of it need not begin from nothing."""
    nowhere = Path("/nonexistent")
    app = App(Account(PretendMachines(nowhere), ImageRecords(nowhere), FakeAddresses(), (SOURCE,)), {})
    client = Client(app)
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential=x/20250101/{REGION}/ec2/aws4_request, SignedHeaders=host"}
    launch = f"RunInstances&ImageId={SOURCE.id}&InstanceType=m6i.large&MinCount=1&MaxCount=1&DryRun=true"
    for call in ("DescribeImages", "DescribeSubnets", "DescribeInstances", "DescribeKeyPairs", launch):
        kind = "application/x-www-form-urlencoded"
        client.post("/", data=f"Action={call}&Version=2016-11-15", headers=signed, content_type=kind)
    app.traffic.clear()
    return app


class Ec2:
    """A fresh account, served from the moment this exists until it is left. Takes over a warmed one, for good."""

    def __init__(self, folder: Path, app: App | None = None) -> None:
        machines, records = PretendMachines(folder), ImageRecords(folder / "records")
        self.app = app or App(Account(machines, records, FakeAddresses(), (SOURCE,)), {})
        self.account = self.app.account
        self.account.machines, self.account.records = machines, records
        self._busy, self._lock = 0, Lock()
        self._server = bind(self._counted)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.account.close()
        put_moto_back()

    @property
    def settings(self) -> AwsSettings:
        return AwsSettings(region=REGION, endpoint_url=self.url)

    def _counted(self, environ: dict[str, Any], start_response: Any) -> Any:
        with self._lock:
            self._busy += 1
        try:
            return self.app(environ, start_response)
        finally:
            with self._lock:
                self._busy -= 1

    def quiet(self) -> None:
        """Wait until every call that has reached us is carried out, and every pointer is checked."""
        calm = 0
        while calm < 3:
            time.sleep(0.005)
            calm = 0 if self._busy or any(_parameters(region)._checking for region in _regions()) else calm + 1

    def order(self, fault: Fault) -> None:
        self.account.faults.order(fault)

    def inventory(self) -> list[str]:
        """Name everything there is, tagged or not, but the source image and what an account has from its beginning.

        What is not in the region that is baked in has its own region before its name.
        """
        with self.account.lock:
            return sorted(
                name if region == REGION else f"{region} {name}"
                for region in _regions()
                for name in (*_there(ec2_backends[ACCOUNT_ID][region]), *_pointers(region))
            )

    def made(self) -> dict[str, int]:
        """Give how many instances of each role there ever were, and how many images."""
        with self.account.lock:
            ec2: Any = ec2_backends[ACCOUNT_ID][REGION]
            tags = [{tag["key"]: tag["value"] for tag in one.get_tags()} for one in ec2.all_instances()]
        made = Counter(each.get("amiforge:role", "untagged") for each in tags)
        calls = [call for call in self.app.traffic.calls if call.operation == "CreateImage"]
        made["image"] = sum(call.outcome in {"ok", "lost"} for call in calls)
        return dict(made)


def _there(ec2: Any) -> Iterator[str]:
    yield from (f"instance {one.id} {one.state}" for one in ec2.all_instances() if one.state != "terminated")
    yield from (f"volume {name}" for name in ec2.volumes)
    yield from (f"network interface {name}" for name in ec2.enis)
    yield from (f"key pair {pair.key_name}" for pair in ec2.describe_key_pairs([]))
    yield from (f"security group {each.name}" for each in ec2.describe_security_groups() if each.name != "default")
    for image in ec2.amis.values():
        if image.id != SOURCE.id:
            state = {tag["key"]: tag["value"] for tag in ec2.describe_tags({"resource-id": [image.id]})}
            yield f"image {image.id} {state.get('amiforge:state', 'untagged')}"
    parts = {device["Ebs"]["SnapshotId"] for image in ec2.amis.values() for device in image.block_device_mappings}
    yield from (f"snapshot {name}" for name in ec2.snapshots if name not in parts)


def _regions() -> Iterator[str]:
    """Give the regions of which anything was ever asked."""
    yield REGION
    if ELSEWHERE in ec2_backends[ACCOUNT_ID].keys():  # noqa: SIM118 - its `in` knows every region
        yield ELSEWHERE


def _parameters(region: str) -> Any:
    return ssm_backends[ACCOUNT_ID][region]


def _pointers(region: str) -> Iterator[str]:
    for name, versions in _parameters(region)._parameters.items():
        if versions and not name.startswith("/aws/"):
            yield f"pointer {name} {versions[-1].value}"
