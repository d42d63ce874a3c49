"""Images that must not get through: each is broken between the proof that its builder is clean and its imaging."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from amiforge.bake import bake
from amiforge.bake.debug import debug_image
from amiforge.bake.run import Means, provision
from amiforge.errors import AmiforgeError, CheckFailed, HostError
from amiforge.host.base import Host
from amiforge.recipes.recipe import Recipe
from amiforge.resources import File
from amiforge.sandbox.endpoint import Endpoint
from amiforge.settings import BakeSettings
from amiforge.shell import script
from amiforge.systems.system import System
from amiforge.tasks.task import Check, Task
from tests.sandbox.cloud import Cloud
from tests.sandbox.test_bake import EMPTY, aws, leftovers

pytestmark = pytest.mark.sandbox

# Runs what it is given when the builder powers itself off, which is after everything was proven.
_SABOTAGE = r"""
printf '%s\n' "$1" >/usr/share/sabotage
printf '%s\n' '[Service]' 'ExecStart=/bin/sleep infinity' >/etc/systemd/system/chatty.service
printf '%s\n' '[Install]' 'WantedBy=multi-user.target' >>/etc/systemd/system/chatty.service
cp /home/ec2-user/.ssh/authorized_keys /usr/share/kept-key
cat >/etc/systemd/system/sabotage.service <<'END'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sh /usr/share/sabotage
END
systemctl daemon-reload
systemctl start sabotage.service
"""
_KEY = """
mkdir -p /home/ec2-user/.ssh
cp /usr/share/kept-key /home/ec2-user/.ssh/authorized_keys
chown -R ec2-user: /home/ec2-user/.ssh
"""
_NO_DISK = "echo 'tmpfs /not/there/at/all nosuchfs defaults 0 0' >>/etc/fstab"


class Marker(Task):
    """A file, and a check that it is there."""

    def resources(self, system: System) -> Iterator[File]:
        yield File("/etc/marker", "here\n")

    def checks(self, host: Any, system: System) -> Iterator[Check]:
        yield Check("the marker is there", True, lambda: host.file("/etc/marker").exists)


RECIPE = EMPTY.model_copy(update={"name": "marked", "tasks": (Marker(),)})


def sabotaged(text: str) -> Means:
    """Give means by which a builder gets what breaks it in the end."""

    def plant(host: Host, recipe: Recipe, *others: Any) -> Any:
        report = provision(host, recipe, *others)
        assert host.run(script(_SABOTAGE, text).text()).status == 0
        return report

    return Means(provision=plant)


def refused(endpoint: Endpoint, folder: Path, text: str) -> AmiforgeError:
    """Give what a bake says whose image is broken."""
    settings = BakeSettings(runs=str(folder), reach_deadline=30)
    with pytest.raises(AmiforgeError) as caught:
        bake(RECIPE, aws(endpoint), settings=settings, means=sabotaged(text))
    return caught.value


def kept(cloud: Cloud, folder: Path) -> tuple[str, Mapping[str, str]]:
    """Give the failed image, which is all that is left, and its tags."""
    run = next(folder.glob("2*")).name
    assert leftovers(cloud, run) == []
    found = cloud.client().describe_images(Filters=[{"Name": "tag:amiforge:run", "Values": [run]}])["Images"]
    assert len(found) == 1
    tags = {tag["Key"]: tag["Value"] for tag in found[0]["Tags"]}
    assert tags["amiforge:state"] == "failed"
    assert tags["amiforge:expires"]
    assert not found[0]["Public"]
    return found[0]["ImageId"], tags


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("rm /etc/marker", ("marker: the marker is there",)),
        (_KEY, ("no file holds the builder's keys: /home/ec2-user/.ssh/authorized_keys", "refused: it logs in")),
        ("rm /etc/machine-id", ("chatty.service was disabled, is enabled",)),
    ],
    ids=["check", "key", "presets"],
)
def test_a_broken_image_is_stopped_with_the_reason_and_kept_as_failed(
    endpoint: Endpoint, cloud: Cloud, tmp_path: Path, text: str, reasons: tuple[str, ...]
) -> None:
    error = refused(endpoint, tmp_path, text)
    assert isinstance(error, CheckFailed)
    assert all(reason in error.lines["failed"] for reason in reasons), error.lines["failed"]
    image, _ = kept(cloud, tmp_path)
    assert error.lines["look_at_it"] == f"amiforge debug {image}"


def test_an_image_that_does_not_boot_is_stopped_and_its_console_can_be_looked_at(
    endpoint: Endpoint, cloud: Cloud, tmp_path: Path
) -> None:
    error = refused(endpoint, tmp_path / "bake", _NO_DISK)
    assert isinstance(error, HostError)
    image, tags = kept(cloud, tmp_path / "bake")
    assert "See sulogin(8)" in error.lines["console"]
    assert tags["amiforge:reason"]
    settings = BakeSettings(runs=str(tmp_path / "debug"), reach_deadline=5)
    patient = debug_image(EMPTY, image, aws(endpoint), hours=1, settings=settings)
    assert (bool(patient.mute), "Dependency failed for local-fs.target" in patient.console) == (True, True)
    cloud.client().terminate_instances(InstanceIds=[patient.instance])


def test_a_failed_image_that_boots_is_logged_in_to_by_the_command_that_is_printed(
    endpoint: Endpoint, cloud: Cloud, tmp_path: Path
) -> None:
    settings = BakeSettings(runs=str(tmp_path))
    patient = debug_image(EMPTY, cloud.source(), aws(endpoint), hours=1, settings=settings)
    pasted = f"{patient.login} -F none -o BatchMode=yes cat /etc/hostname"
    done = subprocess.run(["sh", "-c", pasted], capture_output=True, text=True, check=False)
    assert (done.returncode, patient.mute) == (0, "")
    assert leftovers(cloud, patient.run)[0] == patient.instance
    cloud.client().terminate_instances(InstanceIds=[patient.instance])
