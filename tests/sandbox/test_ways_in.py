"""Bakes whose builder is reached through a machine of the sandbox, or through stand-ins of AWS's own tools."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from amiforge.bake import bake
from amiforge.bake.login import check_jumps, over_ssh
from amiforge.bake.manifest import Manifest
from amiforge.bake.run import Means
from amiforge.ec2.session import open_clients
from amiforge.errors import CommandFailed, ConfigError, HostKeyMismatch
from amiforge.host.ssh_settings import Ssh
from amiforge.recipes.recipe import Recipe
from amiforge.sandbox.endpoint import Endpoint
from amiforge.settings import BakeSettings
from tests.faults.test_way import PIPE
from tests.sandbox.cloud import Cloud
from tests.sandbox.test_bake import EMPTY, aws, leftovers

pytestmark = pytest.mark.sandbox
SANDBOX = "ways"

#: Carries a connection to the private address of the instance that it is asked for.
_FAKE_AWS = """
import boto3, runpy, socket, sys
names = dict(zip(sys.argv[1:], sys.argv[2:]))
instance = names.get("--target") or names["--instance-id"]
ec2 = boto3.client("ec2", endpoint_url={url!r}, region_name=names["--region"])
found = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
if found["State"]["Name"] != "running":
    sys.exit(f"An error occurred (TargetNotConnected): {{instance}} is not connected")
to, real = found["PrivateIpAddress"], socket.create_connection
socket.create_connection = lambda _: real((to, 22))
open({log!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
sys.argv[1:] = ["22"]
runpy.run_path({pipe!r})
"""


class Bastion:
    """A machine of the sandbox that others are reached through, and an ssh config that knows it as `bastion`."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud, self.key, self.config = cloud, cloud.key, folder / "config"
        self.id = cloud.running(cloud.source())
        cloud.ssh(self.id, "true")
        self.address = cloud.instance(self.id)["PrivateIpAddress"]
        keys = subprocess.run(["ssh-keyscan", self.address], capture_output=True, text=True, check=True).stdout
        (folder / "known_hosts").write_text(keys)
        self.config.write_text(
            f"Host bastion\n  HostName {self.address}\n  User ec2-user\n  IdentityFile {self.key}\n"
            f"  IdentitiesOnly yes\nHost *\n  UserKnownHostsFile {folder}/known_hosts\n"
        )

    def means(self, **others: Any) -> Means:
        ssh = Ssh(config=self.config)
        return Means(connect=partial(over_ssh, settings=ssh), check_jumps=partial(check_jumps, settings=ssh), **others)

    def passed(self) -> int:
        """Count the connections that went through it."""
        said = self.cloud.ssh(self.id, "sudo journalctl -q -u ssh -u sshd --no-pager -o cat")
        return said.count("Accepted publickey for ec2-user")


@pytest.fixture
def bastion(cloud: Cloud, tmp_path: Path) -> Bastion:
    return Bastion(cloud, tmp_path)


@pytest.fixture
def baked(endpoint: Endpoint) -> Iterator[list[Manifest]]:
    """Collect what was baked, which is removed at the end."""
    manifests: list[Manifest] = []
    yield manifests
    clients = open_clients(aws(endpoint))
    for each in manifests:
        clients.ec2.deregister_image(ImageId=each.image, DeleteAssociatedSnapshots=True)


def through(**options: Any) -> Recipe:
    return EMPTY.with_options("builder", address="private", **options)


@pytest.mark.parametrize("named", [True, False])
def test_a_bake_through_a_bastion(
    endpoint: Endpoint, bastion: Bastion, baked: list[Manifest], tmp_path: Path, *, named: bool
) -> None:
    """With the bastion's alias of the ssh config, and with its address and key."""
    before = bastion.passed()
    keyed = {"bastion": f"ec2-user@{bastion.address}", "bastion_key": str(bastion.key)}
    recipe = through(**({"bastion": "bastion"} if named else keyed))
    baked.append(bake(recipe, aws(endpoint), settings=BakeSettings(runs=str(tmp_path / "runs")), means=bastion.means()))
    assert baked[0].verification.outcome == "passed"
    assert leftovers(bastion.cloud, baked[0].run) == []
    assert bastion.passed() - before >= 3


def test_a_kept_builder_behind_a_bastion_is_reached_by_the_command_that_is_printed(
    endpoint: Endpoint, bastion: Bastion, tmp_path: Path
) -> None:
    def fail(*_: object) -> Any:
        raise CommandFailed("the task did not work")

    settings = BakeSettings(runs=str(tmp_path / "runs"), on_failure="keep")
    with pytest.raises(CommandFailed) as failed:
        bake(through(bastion="bastion"), aws(endpoint), settings=settings, means=bastion.means(provision=fail))
    command = failed.value.lines["log_in"]
    assert " -J bastion " in command
    pasted = f"{command} -F {bastion.config} -o BatchMode=yes hostname"
    done = subprocess.run(["sh", "-c", pasted], capture_output=True, text=True, check=False)
    assert (done.stderr, bool(done.stdout.strip())) == ("", True)
    run = next((tmp_path / "runs").glob("2*")).name
    ec2 = bastion.cloud.client()
    found = ec2.describe_instances(Filters=[{"Name": "tag:amiforge:run", "Values": [run]}])["Reservations"]
    ec2.terminate_instances(InstanceIds=[one["InstanceId"] for each in found for one in each["Instances"]])


def test_a_bastion_that_is_not_who_it_should_be_costs_no_builder(
    endpoint: Endpoint, bastion: Bastion, tmp_path: Path
) -> None:
    (tmp_path / "known_hosts").write_text("")
    settings = BakeSettings(runs=str(tmp_path / "runs"))
    with pytest.raises(HostKeyMismatch, match="not known"):
        bake(through(bastion="bastion"), aws(endpoint), settings=settings, means=bastion.means())
    assert leftovers(bastion.cloud, next((tmp_path / "runs").glob("2*")).name) == []


def test_a_bake_through_session_manager(
    endpoint: Endpoint, cloud: Cloud, baked: list[Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin")
    recipe = through(access="ssm", profile="builders")
    settings = BakeSettings(runs=str(tmp_path / "runs"))
    with pytest.raises(ConfigError, match="needs the program aws, which is not on the PATH"):
        bake(recipe, aws(endpoint), settings=settings)
    cloud.client("iam").create_instance_profile(InstanceProfileName="builders")
    (tmp_path / "pipe.py").write_text(PIPE)
    text = _FAKE_AWS.format(url=endpoint.url, log=str(tmp_path / "asked"), pipe=str(tmp_path / "pipe.py"))
    (programs / "aws").write_text(f"#!{sys.executable}\n{text}")
    (programs / "session-manager-plugin").write_text("#!/bin/sh\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    baked.append(bake(recipe, aws(endpoint), settings=settings))
    assert baked[0].verification.outcome == "passed"
    assert leftovers(cloud, baked[0].run) == []
    asked = (tmp_path / "asked").read_text().splitlines()
    assert all("--document-name AWS-StartSSHSession --parameters portNumber=22" in line for line in asked)
    assert len({line.split()[3] for line in asked}) == 2
