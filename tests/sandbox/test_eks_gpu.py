"""The tasks of eks_gpu on a machine that really boots: made true once, found true ever after, mended after drift."""

from __future__ import annotations

from typing import Any

import pytest

from amiforge.ec2.source_image import al2023_image, eks_image
from amiforge.engine.events import Event, RebootFinished
from amiforge.host.ssh import SshHost
from amiforge.recipes import eks_gpu
from amiforge.sandbox.folder import Folder
from amiforge.verify.runner import verify
from tests.sandbox.bench import Bench, launched
from tests.sandbox.cloud import Cloud

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

COUNTING = """
echo 'LogLevel DEBUG1' | sudo tee /etc/ssh/sshd_config.d/90-count.conf >/dev/null
sudo systemctl reload ssh; sleep 1; date +%s
"""


@pytest.fixture
def eks(cloud: Cloud, own_folder: Folder) -> Bench:
    return launched(cloud, own_folder, eks_image())


DRIFT = {
    "sudo chmod 600 /usr/local/libexec/amiforge/has-pci": {"file /usr/local/libexec/amiforge/has-pci": ["mode"]},
    "sudo systemctl disable -q nvidia-persistenced": {"service nvidia-persistenced.service": ["enabled"]},
    "sudo rpm -e --nodeps lustre-client": {"packages lustre-client": ["lustre-client"]},
    "sudo sed -i '1s/1.50.0/1.49.0/' /opt/amazon/efa_installed_packages": {"install EFA installer": ["version"]},
}


def test_eks_gpu_is_made_true_once_and_mended_where_it_drifts(eks: Bench, tmp_path: Any) -> None:
    host = eks.host(tmp_path)
    events: list[Event] = []
    assert len(eks.pending(host, eks_gpu.tasks)) > 10
    report = eks.apply(host, eks_gpu.tasks, events.append)
    assert report.changed > 10
    assert sum(isinstance(event, RebootFinished) for event in events) == 1
    assert eks.pending(host, eks_gpu.tasks) == {}
    host.close()

    since = eks.cloud.ssh(eks.instance, COUNTING)
    host = SshHost(host.address.partition("@")[2], "ec2-user", key=eks.cloud.key, settings=host.settings)
    again = eks.apply(host, eks_gpu.tasks)
    host.close()
    log = eks.cloud.ssh(eks.instance, f"sudo journalctl -u ssh --since @{since} --no-pager")
    mine = log.rpartition("Accepted publickey")[0]
    assert again.changed == 0
    assert mine.count("Accepted publickey for ec2-user") == 1
    assert 1 <= mine.count("Starting session: command for ec2-user") <= 2

    host.connect()
    for damage, named in DRIFT.items():
        eks.cloud.ssh(eks.instance, damage)
        assert eks.pending(host, eks_gpu.tasks) == named
        assert eks.apply(host, eks_gpu.tasks).changed == 1
        assert eks.pending(host, eks_gpu.tasks) == {}
    checks = verify(host, eks_gpu)
    assert {check.outcome for check in checks} == {"passed", "skipped"}
    host.close()


def test_a_driver_that_the_source_image_has_is_left_as_it_is(eks: Bench, tmp_path: Any) -> None:
    host = eks.host(tmp_path)
    same = eks_gpu.with_options("nvidia_driver", version="580.105.08")
    pending = eks.pending(host, same.tasks)
    assert [name for name in pending if name.startswith(("packages kmod-nvidia", "run build nvidia"))] == []
    assert "install EFA installer" in pending
    host.close()


def test_the_run_installer_is_another_way_to_the_same_module(cloud: Cloud, own_folder: Folder, tmp_path: Any) -> None:
    bench = launched(cloud, own_folder, al2023_image())
    host = bench.host(tmp_path)
    recipe = eks_gpu.without_task("aws_efa").without_task("aws_lustre").without_task("aws_cli")
    recipe = recipe.with_options("nvidia_driver", method="run", version="580.126.20")
    assert bench.apply(host, recipe.tasks).changed > 0
    assert bench.pending(host, recipe.tasks) == {}
    assert {check.outcome for check in verify(host, recipe)} == {"passed", "skipped"}
    host.close()
