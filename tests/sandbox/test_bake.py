"""Bakes on machines that really boot: what is on the image, and what is left when something goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amiforge.bake import bake, find_baked, opening, reuse
from amiforge.bake.clean import table_script
from amiforge.bake.journal import read
from amiforge.bake.manifest import Manifest
from amiforge.bake.manifests import read_manifest
from amiforge.bake.release import MANIFEST
from amiforge.bake.steps import STEPS
from amiforge.ec2.builder import Builder
from amiforge.ec2.session import Clients, open_clients
from amiforge.ec2.source_image import al2023_image
from amiforge.errors import AwsRefused
from amiforge.recipes.recipe import Recipe
from amiforge.sandbox.endpoint import Endpoint
from amiforge.settings import AwsSettings, BakeSettings
from tests.sandbox.cloud import Cloud
from tests.unit.ec2.cloud import refusal

pytestmark = pytest.mark.sandbox

EMPTY = Recipe(
    name="empty",
    description="nothing but the source image",
    source=al2023_image(),
    builder=Builder(instance_types=("m6i.large",)),
    tasks=(),
)


def aws(endpoint: Endpoint) -> AwsSettings:
    return AwsSettings(region=endpoint.region, endpoint_url=endpoint.url)


def leftovers(cloud: Cloud, run: str) -> list[str]:
    """Name every thing of a run but its image."""
    ec2, tag = cloud.client(), [{"Name": "tag:amiforge:run", "Values": [run]}]
    reservations = ec2.describe_instances(Filters=tag)["Reservations"]
    instances = [instance for each in reservations for instance in each["Instances"]]
    return [
        *(each["InstanceId"] for each in instances if each["State"]["Name"] != "terminated"),
        *(each["KeyName"] for each in ec2.describe_key_pairs(Filters=tag)["KeyPairs"]),
        *(each["GroupId"] for each in ec2.describe_security_groups(Filters=tag)["SecurityGroups"]),
        *(each["VolumeId"] for each in ec2.describe_volumes(Filters=tag)["Volumes"]),
    ]


@pytest.fixture(scope="module")
def baked(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manifest]:
    folder = tmp_path_factory.mktemp("runs")
    manifest = bake(EMPTY, aws(endpoint), settings=BakeSettings(runs=str(folder)))
    yield manifest
    clients = open_clients(aws(endpoint))
    clients.ec2.deregister_image(ImageId=manifest.image, DeleteAssociatedSnapshots=True)


def test_a_bake_leaves_a_verified_image_and_nothing_else(baked: Manifest, cloud: Cloud) -> None:
    assert baked.verification.outcome == "passed"
    assert {check.outcome for check in baked.verification.checks} == {"passed", "skipped"}
    assert leftovers(cloud, baked.run) == []
    image = cloud.client().describe_images(ImageIds=[baked.image])["Images"][0]
    assert image["ImdsSupport"] == "v2.0"
    assert {tag["Key"]: tag["Value"] for tag in image["Tags"]}["amiforge:state"] == "verified"
    snapshots = cloud.client().describe_snapshots(SnapshotIds=list(baked.snapshots))["Snapshots"]
    assert [{tag["Key"]: tag["Value"] for tag in each["Tags"]}["amiforge:run"] for each in snapshots] == [baked.run]


def test_instances_of_the_image_are_machines_of_their_own_that_know_what_they_are(
    baked: Manifest, cloud: Cloud
) -> None:
    """No user data here: what sshd shows and who may enter is what everybody gets who launches the image."""
    one, other = cloud.running(baked.image), cloud.running(baked.image)
    identity = "cat /etc/machine-id; cut -d' ' -f2 /etc/ssh/ssh_host_*_key.pub"
    first, second = (set(cloud.ssh(each, identity).split()) for each in (one, other))
    assert len(first) > 1
    assert not first & second
    assert "amiforge" not in cloud.ssh(one, "sudo cat /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys")
    assert not cloud.ssh(one, "cloud-init status --wait >/dev/null; systemctl --failed --no-legend --plain")
    said = read_manifest(cloud.ssh(one, f"cat {MANIFEST}"), MANIFEST)
    assert (said.run, said.source, said.inventory) == (baked.run, baked.source, baked.inventory)
    assert {"systemd", "dnf"} <= {each.name for each in said.inventory.packages}
    assert cloud.ssh(one, '. /etc/amiforge-release && echo "$RUN $SOURCE_AMI"').split() == [baked.run, baked.source.ami]


def test_a_fresh_instance_is_full_of_what_the_wipe_removes_again(cloud: Cloud) -> None:
    """The image of the last test is clean because something was wiped, not because there was nothing."""
    instance = cloud.running(cloud.source())
    script = table_script("look").replace("'", "'\\''")
    found = cloud.ssh(instance, f"cloud-init status --wait >/dev/null; sudo sh -c '{script}'")
    areas = {line.partition("\t")[0] for line in found.splitlines()}
    assert {"cloud-init", "logs", "machine id", "host keys", "ways in"} <= areas


def test_baked_again_without_a_change_the_image_is_found_and_nothing_is_launched(
    baked: Manifest, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def opened(*args: Any, **more: Any) -> Clients:
        clients = open_clients(*args, **more)
        clients.ec2.meta.events.register("before-call.ec2", lambda model, **_: calls.append(model.name))
        return clients

    monkeypatch.setattr(reuse, "open_clients", opened)
    existing = find_baked(EMPTY, aws(endpoint))
    assert existing
    assert (existing.recipe, existing.stage) == (baked.recipe, "verified")
    # Another test may have baked the same since; run ids are in the order of time.
    assert existing.image == baked.image or existing.run > baked.run
    assert set(calls) == {"DescribeImages"}
    assert find_baked(EMPTY.with_options("builder", volume_gib=64), aws(endpoint)) is None


CHANGING = (
    "ImportKeyPair",
    "CreateSecurityGroup",
    "AuthorizeSecurityGroupIngress",
    "RunInstances",
    "ModifyInstanceAttribute",
    "StopInstances",
    "CreateImage",
    "ModifyImageAttribute",
    "TerminateInstances",
    "CreateTags",
    "DeleteTags",
    "DeleteKeyPair",
    "DeleteSecurityGroup",
)


@pytest.mark.parametrize("operation", CHANGING)
def test_a_refused_call_leaves_nothing(
    operation: str, endpoint: Endpoint, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def refuse(request: Any, **_: Any) -> Any:
        refused.append(operation)
        return refusal(request.url, "UnauthorizedOperation") if len(refused) == 1 else None

    def opened(*args: Any, **more: Any) -> Clients:
        clients = open_clients(*args, **more)
        for client in (clients.ec2, clients.once):
            client.meta.events.register(f"before-send.ec2.{operation}", refuse)
        return clients

    monkeypatch.setattr(opening, "open_clients", opened)
    settings = BakeSettings(runs=str(tmp_path), verify=False)
    try:
        kept = bake(EMPTY, aws(endpoint), settings=settings).image
    except AwsRefused as error:
        kept = ""
        failed = error.lines.get("operation")
    else:
        failed = operation
    run = next(tmp_path.glob("2*")).name
    assert refused
    assert failed == operation
    assert leftovers(cloud, run) == []
    images = cloud.client().describe_images(Filters=[{"Name": "tag:amiforge:run", "Values": [run]}])["Images"]
    assert [image["ImageId"] for image in images] == ([kept] if kept else [])


def test_every_changing_call_of_a_bake_is_among_those(endpoint: Endpoint, tmp_path: Path) -> None:
    bake(EMPTY, aws(endpoint), settings=BakeSettings(runs=str(tmp_path)))
    lines = list(read(next(tmp_path.glob("*/journal.jsonl"))))
    assert {line["operation"] for line in lines if line["kind"] == "asked"} == set(CHANGING)
    assert [line["step"] for line in lines if line["kind"] == "finished"] == [*(s.title for s in STEPS), "clean up"]
