"""Machines side by side: a good one, one that is not like it, one that is not there; and people's own tests on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from amiforge.cli.nodes import summary
from amiforge.ec2.source_image import SourceImage
from amiforge.engine.resource import Resource
from amiforge.errors import CheckFailed
from amiforge.host.ssh import SshHost
from amiforge.host.ssh_settings import Ssh
from amiforge.recipes.recipe import Recipe
from amiforge.systems.system import System
from amiforge.tasks.task import Check, Task
from amiforge.verify.own import run_tests
from amiforge.verify.side_by_side import verify_hosts
from amiforge.verify.subject import Subject
from tests.sandbox.cloud import Cloud

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

pytestmark = pytest.mark.sandbox


class Node(Task):
    """A node."""

    def resources(self, system: System) -> Iterator[Resource]:
        return iter(())

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        yield Check("sshd runs", True, lambda: host.service("ssh").is_running or host.service("sshd").is_running)
        yield Check("it is a node", "node", lambda: host.file("/etc/role").content_string)


RECIPE = Recipe(name="node", description="a node", source=SourceImage(ami="ami-0123456789abcdef0"), tasks=(Node(),))
OWN = "def test_root(host, recipe, system): assert host.user().name == 'root' and system.os.name == 'al2023'\n"


def test_outcomes_stand_side_by_side_and_the_odd_one_is_named(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "ssh_config").touch()
    (tmp_path / "test_own.py").write_text(OWN)
    ssh = Ssh(config=tmp_path / "ssh_config", known_hosts=tmp_path / "known_hosts", accept_new=True)
    instances = [cloud.running(cloud.source()) for _ in range(2)]
    for instance, role in zip(instances, ("node", "login"), strict=True):
        cloud.ssh(instance, f"cloud-init status --wait; printf {role} | sudo tee /etc/role")
    cloud.ssh(instances[1], "sudo rpm -e --nodeps --justdb jq || sudo rpm -e --nodeps --justdb tzdata")
    first, second = (str(cloud.instance(instance)["PublicIpAddress"]) for instance in instances)
    addresses = {"node1": first, "node2": second, "node3": "127.1.255.254"}
    hosts = {name: SshHost(address, "ec2-user", key=cloud.key, settings=ssh) for name, address in addresses.items()}
    try:
        found = verify_hosts(hosts, RECIPE)
        subjects = [Subject(name, hosts[name], RECIPE) for name in ("node1", "node2")]
        found = found.also(*run_tests(subjects, [str(tmp_path / "test_own.py")]))
    finally:
        for host in hosts.values():
            host.close()
    assert [(host.host, host.state, len(host.checks)) for host in found.hosts] == [
        ("node1", "passed", 3),
        ("node2", "failed", 3),
        ("node3", "not verified", 0),
    ]
    assert [host.connections for host in hosts.values()] == [1, 1, 0]
    lines = "\n".join(summary(found, 80))
    assert "node: it is a node: node2: expected 'node', found 'login'" in lines
    assert [name for name in found.differing() if not name.startswith("package ")] == []
    assert len(found.differing()) == 1
    with pytest.raises(CheckFailed, match="checks failed on 1 of 3 hosts"):
        found.refuse_failures()
