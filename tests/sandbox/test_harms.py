"""What can be ordered to happen to a machine, at machines that really boot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from amiforge.sandbox import orders
from amiforge.sandbox.faults import Harm
from tests.sandbox.cloud import until

if TYPE_CHECKING:
    from amiforge.sandbox.faults import HarmName
    from tests.sandbox.cloud import Cloud

pytestmark = pytest.mark.sandbox

SANDBOX = "harms"
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


@pytest.fixture
def target(cloud: Cloud) -> Iterator[str]:
    instance_id = cloud.running(cloud.source())
    cloud.ssh(instance_id, "true")
    yield instance_id
    orders.clear(cloud.endpoint)


def order(cloud: Cloud, harm: HarmName, instance: str | None = None, **more: Any) -> None:
    orders.order(cloud.endpoint, Harm(harm=harm, instance=instance, **more))


def fails(cloud: Cloud, instance_id: str, command: str, words: str) -> bool:
    done = cloud.try_ssh(instance_id, command)
    return done.returncode != 0 and words in done.stdout + done.stderr


def test_a_machine_reboots_unasked(cloud: Cloud, target: str) -> None:
    before = cloud.ssh(target, BOOT_ID)
    order(cloud, "reboot", target)
    until(lambda: cloud.try_ssh(target, BOOT_ID).stdout.strip() not in ("", before))
    assert cloud.instance(target)["State"]["Name"] == "running"


def test_sshd_is_gone_and_comes_back(cloud: Cloud, target: str) -> None:
    before = cloud.ssh(target, BOOT_ID)
    order(cloud, "sshd-gone", target, seconds=3)
    address = cloud.instance(target)["PublicIpAddress"]
    until(lambda: not cloud.answers(address))
    assert cloud.ssh(target, BOOT_ID) == before


def test_a_full_disk_takes_nothing_until_there_is_room_again(cloud: Cloud, target: str) -> None:
    order(cloud, "full-disk", target, room=8192)
    write = "sudo dd if=/dev/zero of=/opt/new bs=64k count=1 2>&1"
    until(lambda: fails(cloud, target, write, "No space left on device"))
    assert "wheel\n" in cloud.try_ssh(target, "printf 'wheel\\n'; test -s /etc/passwd && test -d /usr/bin").stdout
    orders.clear(cloud.endpoint)
    until(lambda: cloud.try_ssh(target, write).returncode == 0)
    assert cloud.ssh(target, "stat -c %s /opt/new; grep -c full-disk /proc/mounts || true") == "65536\n0"


def test_a_read_only_disk_can_be_read(cloud: Cloud, target: str) -> None:
    order(cloud, "read-only", target, seconds=5)
    write = "sudo touch /etc/new /var/lib/new /usr/new 2>&1"
    until(lambda: fails(cloud, target, write, "Read-only file system"))
    until(lambda: cloud.try_ssh(target, write).returncode == 0)


def test_somebody_else_holds_the_locks_of_the_package_managers(cloud: Cloud, target: str) -> None:
    order(cloud, "lock", target)
    configure = "sudo dpkg --configure --pending"
    lock = 'sudo python3 -c \'import fcntl; fcntl.lockf(open("/var/lib/rpm/.rpm.lock", "a"), fcntl.LOCK_EX | 4)\''
    until(lambda: fails(cloud, target, configure, "locked by another process"))
    assert fails(cloud, target, lock, "temporarily unavailable")
    orders.clear(cloud.endpoint)
    until(lambda: cloud.try_ssh(target, lock).returncode == 0)
    cloud.ssh(target, configure)


def test_a_silent_link_says_nothing_and_what_runs_goes_on(cloud: Cloud, target: str) -> None:
    cloud.ssh(target, "nohup sh -c 'for i in 1 2 3 4; do sleep 1; echo $i >>/tmp/ticks; done' >/dev/null 2>&1 &")
    order(cloud, "silent-link", target, seconds=9)
    address = cloud.instance(target)["PublicIpAddress"]
    time.sleep(1)
    assert cloud.answers(address)
    assert "timed out" in cloud.try_ssh(target, "true").stderr
    assert cloud.ssh(target, "cat /tmp/ticks").split() == ["1", "2", "3", "4"]


def test_a_link_is_slow_from_the_first_byte_of_the_next_instance_of_a_role(cloud: Cloud) -> None:
    order(cloud, "slow-link", role="builder", rate=20_000)
    other = cloud.running(cloud.source())
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "amiforge:role", "Value": "builder"}]}]
    slow = cloud.running(cloud.source(), TagSpecifications=tags)
    assert seconds_for(cloud, other, 100_000) < 3
    assert seconds_for(cloud, slow, 100_000) > 4
    orders.clear(cloud.endpoint)
    assert seconds_for(cloud, slow, 100_000) < 3


def test_the_link_of_a_running_instance_becomes_slow_and_fast_again(cloud: Cloud, target: str) -> None:
    order(cloud, "slow-link", target, rate=20_000)
    assert seconds_for(cloud, target, 100_000) > 4
    orders.clear(cloud.endpoint)
    assert seconds_for(cloud, target, 100_000) < 3


def test_a_cut_link_ends_what_is_open_and_lets_new_connections_in(cloud: Cloud, target: str) -> None:
    order(cloud, "cut-link", target, after=2)
    done = cloud.try_ssh(target, "sleep 20; echo survived")
    assert "survived" not in done.stdout
    assert done.returncode == 255
    assert cloud.ssh(target, "true") == ""


def test_a_spot_instance_is_taken_back(cloud: Cloud, target: str) -> None:
    order(cloud, "interruption", target)
    cloud.reach(target, "terminated")
    assert cloud.instance(target)["StateReason"]["Code"] == "Server.SpotInstanceTermination"


def seconds_for(cloud: Cloud, instance_id: str, size: int) -> float:
    cloud.ssh(instance_id, "true")
    began = time.monotonic()
    assert len(cloud.ssh(instance_id, f"head -c {size} /dev/zero | tr '\\0' x")) == size
    return time.monotonic() - began
