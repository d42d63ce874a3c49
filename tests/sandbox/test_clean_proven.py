"""Builders on machines that really boot: they seal themselves, or stay open, and end when nobody looks after them."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from amiforge.bake.clean import seal
from amiforge.bake.dead_man import disarm, renew, renewing
from amiforge.bake.quiesce import quiesce
from amiforge.bake.readiness import condition
from amiforge.ec2.key_pair import KeyPair
from amiforge.ec2.user_data import DEAD_MAN, DISARMED, first_boot
from amiforge.errors import CommandFailed, NotConverged
from amiforge.host.ssh import SshHost
from amiforge.host.wait import wait_for_ssh
from amiforge.sandbox.folder import Folder
from amiforge.shell import Secret, script
from tests.sandbox.cloud import Cloud, until

pytestmark = pytest.mark.sandbox

SANDBOX = "clean"

WAYS_IN = "cat /etc/ssh/ssh_host_* /root/.ssh/* /home/*/.ssh/* /etc/sudoers.d/* | sha256sum"


#: Holds dpkg's lock for five seconds.
HOLD = """
import fcntl, time
file = open('/var/lib/dpkg/lock', 'w')
fcntl.lockf(file, fcntl.LOCK_EX)
time.sleep(5)
"""


class Builder:
    """One instance with the user data of a builder."""

    def __init__(self, cloud: Cloud, *, image: str = "", dead_man: float = 3600, behavior: str = "stop") -> None:
        self.cloud, self.host_key = cloud, KeyPair.new("host")
        options = {"UserData": first_boot(self.host_key, dead_man), "InstanceInitiatedShutdownBehavior": behavior}
        self.id = cloud.running(image or cloud.source(), **options)

    def host(self) -> SshHost:
        """Give it as a host, over a connection of its own."""
        address = self.cloud.instance(self.id)["PublicIpAddress"]
        return SshHost(address, "ec2-user", key=self.cloud.key, host_key=self.host_key.public)

    @contextmanager
    def reached(self) -> Iterator[SshHost]:
        """Give it connected, and with its boot finished."""
        host = self.host()
        wait_for_ssh(host, 60)
        condition(host, 60)
        yield host
        host.close()

    def said(self, command: str) -> str:
        """Run a command over a new connection."""
        with self.reached() as host:
            output = host.run(command)
        assert output.status == 0, output.stderr
        return output.stdout.decode()

    @property
    def state(self) -> str:
        """The state EC2 says it has."""
        return str(self.cloud.instance(self.id)["State"]["Name"])

    def ends_up(self, state: str, seconds: float = 30) -> Any:
        """Wait for a state, and give EC2's word for what led to it."""
        self.cloud.reach(self.id, state, seconds)
        return self.cloud.instance(self.id)["StateReason"]["Code"]


@pytest.fixture
def builder(cloud: Cloud) -> Builder:
    return Builder(cloud)


def traces(layer: Path, *texts: str) -> list[str]:
    """Name the files of an image that have one of these texts in their name or content."""
    words = [word for text in texts for word in ("-e", text)]
    found = subprocess.run(["grep", "-rlaF", *words, str(layer)], capture_output=True, text=True, check=False).stdout
    named = [str(path) for path in layer.rglob("*") if any(text in path.name for text in texts)]
    return sorted({*found.splitlines(), *named})


def test_a_sealed_builder_stops_by_itself_and_its_image_has_no_trace_of_the_bake(
    cloud: Cloud, builder: Builder, own_folder: Folder
) -> None:
    told: list[str] = []
    secret = "correct-horse-battery"  # noqa: S105 - planted
    with builder.reached() as host:
        renew(host, 3600)
        disarm(host)
        quiesce(host, 60)
        assert seal(host, "run-1", 120, told.append, secrets=[Secret(secret)]) >= len(
            [line for line in told if ": " in line]
        )
    assert "wiping" in told
    assert "machine id: /etc/machine-id" in told
    assert builder.ends_up("stopped") == "Client.InstanceInitiatedShutdown"
    image = cloud.image(builder.id, "sealed")
    layer = own_folder.layer(image)
    blob = cloud.key.with_suffix(".pub").read_text().split()[1]
    assert traces(layer, blob, builder.host_key.blob, DEAD_MAN, Path(DISARMED).name, "amiforge-seal", secret) == []
    assert (layer / "etc/machine-id").read_bytes() == b""
    assert [path for path in (layer / "var/log").rglob("*") if path.is_file() and path.stat().st_size] == []
    fresh = Builder(cloud, image=image)
    assert "nothing" in fresh.said(f"systemctl list-units --all --no-legend | grep {DEAD_MAN} | wc -l; echo nothing")


def test_what_is_left_is_named_and_keeps_the_ways_in(builder: Builder) -> None:
    secret = Secret('p"a55\n-w0rd-of-the-registry')
    with builder.reached() as host:
        before = host.run(WAYS_IN).stdout
        host.run("openssl genrsa -out /etc/own.key 2048 2>/dev/null")
        host.run("mkdir -p /opt/app && printf 'x = -w0rd-of-the-registry' >/opt/app/env")
        host.run("mkdir -p /etc/pip.conf.d && echo 'index-url = https://me:hush@host/simple' >/etc/pip.conf")
        with pytest.raises(NotConverged, match="is not clean") as caught:
            seal(host, "run-2", 120, secrets=[secret])
        assert caught.value.lines["state"].splitlines() == [
            "private keys: /etc/own.key",
            "secrets: /opt/app/env",
            "passwords in addresses: /etc/pip.conf",
        ]
        assert "w0rd" not in caught.value.block()
    assert builder.said(WAYS_IN) == before.decode()
    assert builder.state == "running"
    with builder.reached() as host:
        host.run("rm /opt/app/env /etc/pip.conf")
        assert seal(host, "run-2", 120, secrets=[secret], allowed=["/etc/*.key"])
    assert builder.ends_up("stopped") == "Client.InstanceInitiatedShutdown"


def test_ways_in_that_do_not_stay_closed_are_put_back(builder: Builder) -> None:
    with builder.reached() as host:
        host.run("systemd-run --quiet sh -c 'while sleep 0.01; do echo x >>/root/.ssh/id_new; done'")
        before = builder.said(WAYS_IN.replace("/root/.ssh/*", "/root/.ssh/auth*"))
        with pytest.raises(NotConverged) as caught:
            seal(host, "run-3", 120)
        assert caught.value.lines["state"].startswith("ways in: /root/.ssh/id_new")
    assert builder.said(WAYS_IN.replace("/root/.ssh/*", "/root/.ssh/auth*")) == before


def test_a_lost_link_and_a_second_caller_find_the_job_that_runs(builder: Builder) -> None:
    counts: list[int] = []
    with builder.reached() as host, builder.reached() as other:
        before = host.connections
        # Long enough that two can follow it.
        host.run("systemd-run --quiet sh -c 'for i in 1 2 3 4 5 6; do echo x >/var/log/busy; sleep 0.5; done'")

        def drop(_line: str) -> None:
            if host.connections == before:
                host.close()

        second = threading.Thread(target=lambda: counts.append(seal(other, "run-4", 120)))
        second.start()
        counts.append(seal(host, "run-4", 120, drop))
        second.join()
        assert host.connections > before
    assert len(counts) == 2
    assert len(set(counts)) == 1
    assert builder.ends_up("stopped") == "Client.InstanceInitiatedShutdown"


def test_an_armed_builder_ends_itself_and_does_so_after_a_reboot(cloud: Cloud) -> None:
    armed = Builder(cloud, dead_man=5, behavior="terminate")
    assert armed.ends_up("terminated") == "Client.InstanceInitiatedShutdown"
    rebooted = Builder(cloud, dead_man=8, behavior="terminate")
    with rebooted.reached() as host:
        renew(host, 3600)
        cloud.client().reboot_instances(InstanceIds=[rebooted.id])
    assert rebooted.ends_up("terminated") == "Client.InstanceInitiatedShutdown"


def test_a_renewed_builder_lives_as_long_as_it_is_renewed(cloud: Cloud) -> None:
    told: list[str] = []
    builder = Builder(cloud, dead_man=12, behavior="terminate")
    with builder.reached() as host, renewing(builder.host, 6, told.append):
        time.sleep(15)
        assert len(host.run(f"systemctl list-timers --no-legend '{DEAD_MAN}*'").stdout.splitlines()) == 1
    assert builder.state == "running"
    assert told == []
    assert builder.ends_up("terminated") == "Client.InstanceInitiatedShutdown"


def test_a_disarmed_builder_lives_also_after_a_reboot(cloud: Cloud) -> None:
    builder = Builder(cloud, dead_man=8)
    with builder.reached() as host:
        disarm(host)
        before = host.run("cat /proc/sys/kernel/random/boot_id").stdout
        cloud.client().reboot_instances(InstanceIds=[builder.id])
    until(lambda: builder.said("cat /proc/sys/kernel/random/boot_id").encode() != before)
    time.sleep(9)
    assert builder.state == "running"
    with builder.reached() as host:
        renew(host, 2)
    assert builder.ends_up("stopped") == "Client.InstanceInitiatedShutdown"


def test_a_timer_that_cannot_be_set_is_an_error(builder: Builder) -> None:
    with builder.reached() as host:
        host.run("dpkg-divert --quiet --local --rename --add /usr/bin/systemd-run")
        with pytest.raises(CommandFailed, match="could not be renewed"):
            renew(host, 60)


def test_a_builder_comes_to_rest_when_its_package_manager_has(builder: Builder) -> None:
    waits: list[str] = []
    with builder.reached() as host:
        host.run("cp /bin/sleep /run/depmod && systemd-run --quiet /run/depmod 3")
        host.run(script('systemd-run --quiet python3 -c "$1"; sleep 0.5', HOLD).text())
        with pytest.raises(NotConverged, match="does not come to rest") as caught:
            quiesce(host, 0.1)
        quiesce(host, 60, lambda _seconds, what: waits.append(what))
    assert "list of kernel modules is written: depmod" in caught.value.lines["state"]
    assert "/var/lib/dpkg/lock is held by python3" in waits[-1]
