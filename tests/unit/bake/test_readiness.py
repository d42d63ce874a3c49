from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from amiforge.bake.readiness import Condition, condition, refuse_unfit
from amiforge.errors import CommandFailed, FactUnreadable, NotConverged
from amiforge.host.base import Output
from amiforge.host.fake import FakeHost

READY = (
    "cloud-init\t0\nsystem\trunning\nboot\tb1\nmachine\tm1\nhost-key\tAAAA\nauthorized\tssh-ed25519 BBBB me\nend\t\n"
)


def said(*outputs: str) -> FakeHost:
    answers = iter(outputs)
    host = FakeHost(lambda _script: Output(0, next(answers).encode()))
    host.connect()
    return host


def here(tmp_path: Path, cloud_init: str = "") -> FakeHost:
    """Give this machine as a host, with a cloud-init of our own."""
    if cloud_init:
        program = tmp_path / "cloud-init"
        program.write_text(f"#!/bin/sh\n{cloud_init}\n")
        program.chmod(0o755)

    def run(script: str) -> Output:
        path = f"{tmp_path}:/usr/bin:/bin"
        done = subprocess.run(["sh", "-s"], input=script.encode(), capture_output=True, check=False, env={"PATH": path})
        return Output(done.returncode, done.stdout, done.stderr)

    host = FakeHost(run)
    host.connect()
    return host


def test_what_tells_a_machine_from_others_is_read() -> None:
    assert condition(said(READY), 1) == Condition(
        cloud_init=0,
        state="running",
        failed=frozenset(),
        boot_id="b1",
        machine_id="m1",
        host_keys=frozenset({"AAAA"}),
        authorized=("ssh-ed25519 BBBB me",),
    )


def test_a_cloud_init_that_recovered_is_good_enough_and_said() -> None:
    recovered = condition(said(READY.replace("cloud-init\t0", "cloud-init\t2")), 1)
    assert str(recovered) == "cloud-init recovered from errors"


def test_a_cloud_init_that_failed_ends_it_with_what_it_says() -> None:
    with pytest.raises(CommandFailed, match="cloud-init ended in an error") as caught:
        condition(said("cloud-init\t1\ndetail\terrors: no such module\nend\t\n"), 1)
    assert caught.value.lines["output"] == "errors: no such module"


def test_half_an_answer_is_no_answer() -> None:
    with pytest.raises(FactUnreadable):
        condition(said(READY.replace("end\t\n", "")), 1)


def test_units_that_failed_before_anything_was_done_are_the_source_images_affair() -> None:
    before = condition(said(f"failed\tnodeadm.service\n{READY}"), 1)
    refuse_unfit(said(f"failed\tnodeadm.service\n{READY}", ""), 1, before)
    with pytest.raises(NotConverged) as caught:
        refuse_unfit(said(f"failed\tlnet.service\n{READY}", "a reboot is still required\n"), 1, before)
    assert caught.value.lines["state"] == "a reboot is still required\nunit lnet.service has failed"


@pytest.mark.shell
@pytest.mark.parametrize(("status", "wanted"), [(0, 0), (2, 2)])
def test_the_real_script_waits_for_cloud_init_and_reads_this_machine(tmp_path: Path, status: int, wanted: int) -> None:
    found = condition(here(tmp_path, f'[ "$*" = "status --wait" ] && exit {status}; echo "status: done"'), 10)
    assert found.cloud_init == wanted
    assert found.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@pytest.mark.shell
def test_the_real_script_works_without_cloud_init(tmp_path: Path) -> None:
    assert condition(here(tmp_path), 10).cloud_init is None
