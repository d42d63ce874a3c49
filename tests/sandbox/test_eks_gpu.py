"""The tasks of eks_gpu on a machine that really boots: made true once, found true ever after, mended after drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from amiforge.ec2.source_image import al2023_image
from amiforge.engine.apply import Report, apply, plan
from amiforge.engine.events import Event, RebootFinished
from amiforge.host.ssh import SshHost
from amiforge.host.ssh_settings import Ssh
from amiforge.host.wait import wait_for_ssh
from amiforge.recipes import eks_gpu
from amiforge.recipes.recipe import Recipe
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.mirror import digests, fingerprints, mirror_address
from amiforge.settings import EngineSettings
from amiforge.systems.trust import Trust
from amiforge.verify.runner import verify
from tests.sandbox.cloud import Cloud

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

EKS = "/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/x86_64/nvidia/recommended/image_id"
PLAIN = al2023_image().parameter
COUNTING = """
echo 'LogLevel DEBUG1' | sudo tee /etc/ssh/sshd_config.d/90-count.conf >/dev/null
sudo systemctl reload ssh; sleep 1; date +%s
"""


@dataclass
class Bench:
    """An instance, how it is reached, and what applies to it need to know of the sandbox."""

    cloud: Cloud
    folder: Folder
    instance: str

    def host(self, tmp_path: Any) -> SshHost:
        address = self.cloud.instance(self.instance)["PublicIpAddress"]
        (tmp_path / "ssh_config").touch()
        ssh = Ssh(config=tmp_path / "ssh_config", known_hosts=tmp_path / "known_hosts", accept_new=True)
        host = SshHost(address, "ec2-user", key=self.cloud.key, settings=ssh)
        wait_for_ssh(host, 60)
        host.run("cloud-init status --wait")
        return host

    def apply(self, host: SshHost, recipe: Recipe, listener: Any = lambda _event: None) -> Report:
        return apply(host, recipe.tasks, listener=listener, settings=self.settings, trust=self.trust)

    def pending(self, host: SshHost, recipe: Recipe) -> dict[str, list[str]]:
        """What a plan would change: keys that differ, by resource."""
        planned = plan(host, recipe.tasks, settings=self.settings, trust=self.trust)
        return {item.item.resource.name: [each.key for each in item.differences] for item in planned.pending}

    @property
    def trust(self) -> Trust:
        return Trust(digests(self.folder), fingerprints(self.folder))

    @property
    def settings(self) -> EngineSettings:
        return EngineSettings(mirror=mirror_address(self.folder))


def launched(cloud: Cloud, folder: Folder, parameter: str) -> Bench:
    image = cloud.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
    return Bench(cloud, folder, cloud.running(image))


@pytest.fixture
def eks(cloud: Cloud, own_folder: Folder) -> Bench:
    return launched(cloud, own_folder, EKS)


DRIFT = {
    "sudo chmod 600 /usr/local/libexec/amiforge/has-pci": {"file /usr/local/libexec/amiforge/has-pci": ["mode"]},
    "sudo systemctl disable -q nvidia-persistenced": {"service nvidia-persistenced.service": ["enabled"]},
    "sudo rpm -e --nodeps lustre-client": {"packages lustre-client": ["lustre-client"]},
    "sudo sed -i '1s/1.50.0/1.49.0/' /opt/amazon/efa_installed_packages": {"install EFA installer": ["version"]},
}


def test_eks_gpu_is_made_true_once_and_mended_where_it_drifts(eks: Bench, tmp_path: Any) -> None:
    host = eks.host(tmp_path)
    events: list[Event] = []
    assert len(eks.pending(host, eks_gpu)) > 10
    report = eks.apply(host, eks_gpu, events.append)
    assert report.changed > 10
    assert sum(isinstance(event, RebootFinished) for event in events) == 1
    assert eks.pending(host, eks_gpu) == {}
    host.close()

    since = eks.cloud.ssh(eks.instance, COUNTING)
    host = SshHost(host.address.partition("@")[2], "ec2-user", key=eks.cloud.key, settings=host.settings)
    again = eks.apply(host, eks_gpu)
    host.close()
    log = eks.cloud.ssh(eks.instance, f"sudo journalctl -u ssh --since @{since} --no-pager")
    mine = log.rpartition("Accepted publickey")[0]
    assert again.changed == 0
    assert mine.count("Accepted publickey for ec2-user") == 1
    assert 1 <= mine.count("Starting session: command for ec2-user") <= 2

    host.connect()
    for damage, named in DRIFT.items():
        eks.cloud.ssh(eks.instance, damage)
        assert eks.pending(host, eks_gpu) == named
        assert eks.apply(host, eks_gpu).changed == 1
        assert eks.pending(host, eks_gpu) == {}
    checks = verify(host, eks_gpu)
    assert {check.outcome for check in checks} == {"passed", "skipped"}
    host.close()


def test_a_driver_that_the_source_image_has_is_left_as_it_is(eks: Bench, tmp_path: Any) -> None:
    host = eks.host(tmp_path)
    same = eks_gpu.with_options("nvidia_driver", version="580.105.08")
    pending = eks.pending(host, same)
    assert [name for name in pending if name.startswith(("packages kmod-nvidia", "run build nvidia"))] == []
    assert "install EFA installer" in pending
    host.close()


def test_the_run_installer_is_another_way_to_the_same_module(cloud: Cloud, own_folder: Folder, tmp_path: Any) -> None:
    bench = launched(cloud, own_folder, PLAIN)
    host = bench.host(tmp_path)
    recipe = eks_gpu.without_task("aws_efa").without_task("aws_lustre").without_task("aws_cli")
    recipe = recipe.with_options("nvidia_driver", method="run", version="580.126.20")
    assert bench.apply(host, recipe).changed > 0
    assert bench.pending(host, recipe) == {}
    assert {check.outcome for check in verify(host, recipe)} == {"passed", "skipped"}
    host.close()
