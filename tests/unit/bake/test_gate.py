from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amiforge.bake import bake
from amiforge.bake.gate.portrait import Portrait
from amiforge.bake.gate.statements import Origin, Sight, Statement, boot, differing_units, identity, second_boot
from amiforge.bake.history import histories
from amiforge.bake.readiness import Condition
from amiforge.bake.resume import find_run
from amiforge.engine.events import CheckFinished
from amiforge.errors import CheckFailed, CommandFailed, ConfigError, NotGoingDown, Parked
from amiforge.settings import EngineSettings
from amiforge.shell import Secret
from tests.unit.bake.bench import Bench
from tests.unit.ec2.cloud import LOST, SETTINGS


def tags(bench: Bench) -> dict[str, str]:
    """Give the tags of the one image there is, which its snapshots must have, too."""
    ec2 = bench.cloud.clients.ec2
    (image,) = [
        each for each in ec2.describe_images(Owners=["self"])["Images"] if each["ImageId"] != bench.cloud.source
    ]
    snapshots = [mapping["Ebs"]["SnapshotId"] for mapping in image["BlockDeviceMappings"]]
    (snapshot,) = ec2.describe_snapshots(SnapshotIds=snapshots)["Snapshots"]
    found = [{tag["Key"]: tag["Value"] for tag in thing["Tags"]} for thing in (image, snapshot)]
    assert found[0]["amiforge:state"] == found[1]["amiforge:state"]
    return found[0]


def no_room_to_verify(bench: Bench) -> None:
    bench.faults.update({("RunInstances", number): "InsufficientInstanceCapacity" for number in range(2, 14)})


BREAKS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"same_identity": True}, "the machine id is new: it is the builder's"),
    ({"same_identity": True}, "the host keys are new: it has one of the builder's"),
    (
        {"fresh_units": {"cups.service": "enabled"}},
        "units are enabled and disabled as on the builder: cups.service was disabled, is enabled",
    ),
    ({"holders": "/root/.ssh/authorized_keys\n"}, "no file holds the builder's keys: /root/.ssh/authorized_keys"),
    (
        {"left": "histories\t/root/.bash_history\n"},
        "nothing is there that the wipe removed: histories: /root/.bash_history",
    ),
    ({"bad_checks": True}, "jq: jq works: it is not there"),
)


@pytest.mark.parametrize(("broken", "reason"), BREAKS)
def test_what_is_wrong_with_an_image_is_named_and_the_image_kept_for_a_while(
    bench: Bench, broken: dict[str, Any], reason: str
) -> None:
    vars(bench.machines).update(broken)
    with pytest.raises(CheckFailed, match="did not pass the gate") as caught:
        bench.bake(failed_days=2, on_failure="keep")
    assert reason in caught.value.lines["failed"].splitlines()
    (left,) = bench.cloud.leftovers()
    assert caught.value.lines["look_at_it"] == f"amiforge debug {left.split()[1]}"
    said = tags(bench)
    assert said["amiforge:state"] == "failed"
    assert said["amiforge:expires"] == caught.value.lines["kept_until"]
    kept = datetime.fromisoformat(said["amiforge:expires"]) - datetime.now(UTC)
    assert abs(kept - timedelta(days=2)) < timedelta(minutes=1)
    assert reason.split(":", 1)[0].split("'", 1)[0] in said["amiforge:reason"]
    assert len(said["amiforge:reason"]) <= 256
    failed = [event for event in bench.events if isinstance(event, CheckFinished) and event.outcome == "failed"]
    assert all(event.detail for event in failed)
    assert bool(failed) is ("bad_checks" not in broken)
    assert histories(bench.folder)[0][0].status == "failed"


def test_what_only_goes_wrong_after_a_reboot_is_found(bench: Bench) -> None:
    bench.machines.bad_checks_after_boots = 1
    with pytest.raises(CheckFailed) as caught:
        bench.bake()
    assert caught.value.lines["failed"] == "after a reboot: jq: jq works: it is not there"


def test_an_image_must_pass_its_users_own_tests_too_and_they_are_looked_for_before_the_launch(
    bench: Bench, tmp_path: Path
) -> None:
    tests = tmp_path / "test_cluster.py"
    with pytest.raises(ConfigError, match="no such file or folder"):
        bench.bake(checks=(str(tests),))
    assert not bench.cloud.leftovers()
    tests.write_text("def test_slurmd(): assert 'inactive' == 'active'\ndef test_nothing(): pass\n")
    with pytest.raises(CheckFailed) as caught:
        bench.bake(checks=(str(tests),))
    assert caught.value.lines["failed"].startswith("test_cluster: test_slurmd: AssertionError: assert 'inactive'")
    own = [event for event in bench.events if isinstance(event, CheckFinished) and event.task == "test_cluster"]
    assert [(event.title, event.outcome) for event in own] == [("test_slurmd", "failed"), ("test_nothing", "passed")]


def test_an_image_that_does_not_go_down_for_a_reboot_fails(bench: Bench) -> None:
    bench.machines.stays_up = True
    with pytest.raises(NotGoingDown):
        bake(bench.recipe, SETTINGS, engine=EngineSettings(going_down=0.01), **bench.given())
    assert tags(bench)["amiforge:state"] == "failed"


def test_cloud_init_that_fails_on_the_image_alone_fails_it(bench: Bench) -> None:
    bench.machines.fresh_cloud_init = 1
    with pytest.raises(CommandFailed, match="cloud-init ended in an error") as caught:
        bench.bake()
    assert "amiforge debug ami-" in caught.value.lines["look_at_it"]
    assert tags(bench)["amiforge:reason"].startswith("cloud-init ended in an error")


def test_without_room_the_run_is_parked_with_the_image_unverified_and_resume_verifies_it(bench: Bench) -> None:
    no_room_to_verify(bench)
    with pytest.raises(Parked, match="could not be verified: EC2 has no room") as parked:
        bench.bake()
    said = tags(bench)
    assert said["amiforge:state"] == "unverified"
    assert said["amiforge:reason"].startswith("EC2 has no room")
    assert datetime.fromisoformat(said["amiforge:expires"]) > datetime.now(UTC) + timedelta(days=2)
    assert parked.value.lines["resume"] == f"amiforge resume {bench.run_folder.name}"
    assert (parked.value.exit_status, find_run(bench.folder).status) == (75, "parked")
    bench.faults.clear()
    made = bench.resume()
    assert made.verification.outcome == "passed"
    assert bench.cloud.leftovers() == [f"image {made.image}"]
    said = tags(bench)
    assert said["amiforge:state"] == "verified"
    assert not {"amiforge:expires", "amiforge:reason"} & said.keys()


def test_an_instance_that_was_taken_away_says_nothing_about_the_image(bench: Bench) -> None:
    bench.machines.bad_checks = True
    bench.machines.on_check = bench.cloud.start_over
    with pytest.raises(Parked, match="was taken away"):
        bench.bake()
    assert tags(bench)["amiforge:state"] == "unverified"


def test_nobody_has_looked_at_an_image_that_is_not_to_be_verified(bench: Bench) -> None:
    bench.bake(verify=False)
    assert tags(bench)["amiforge:state"] == "unverified"
    assert "amiforge:expires" not in tags(bench)


def test_other_types_are_launched_to_prove_the_image_if_wanted(bench: Bench) -> None:
    asked: list[str] = []
    bench.on_launch = asked.append
    bench.bake(verify_types=("c6i.large",))
    assert asked == ["m6i.large", "c6i.large"]


def test_a_run_whose_image_was_refused_is_not_verified_again(bench: Bench) -> None:
    """The process was killed, or could not remove everything, after the image had failed."""
    bench.machines.bad_checks = True
    bench.faults.update({("DeleteKeyPair", number): "UnauthorizedOperation" for number in range(1, 100)})
    with pytest.raises(CheckFailed):
        bench.bake()
    bench.faults.clear()
    launches = bench.cloud.calls.count("RunInstances")
    with pytest.raises(CheckFailed, match="did not pass the gate") as caught:
        bench.resume()
    assert "jq works" in caught.value.lines["reason"]
    assert bench.cloud.calls.count("RunInstances") == launches
    assert [left.split()[0] for left in bench.cloud.leftovers()] == ["image"]
    with pytest.raises(ConfigError, match="no run to go on with"):
        bench.resume()


def test_a_lost_answer_of_a_verdict_changes_nothing(bench: Bench) -> None:
    bench.machines.bad_checks = True
    bench.faults["CreateTags", 1] = LOST
    with pytest.raises(CheckFailed):
        bench.bake()
    assert tags(bench)["amiforge:state"] == "failed"


# What is said of a machine, without one.


def condition(**more: Any) -> Condition:
    plain = {"cloud_init": 0, "state": "running", "failed": frozenset(), "boot_id": "b", "machine_id": "m"}
    return Condition(**{**plain, "host_keys": frozenset({"k"}), "authorized": (), **more})


def sight(address: str = "10.0.0.2", portrait: Portrait | None = None, **more: Any) -> Sight:
    return Sight(address, condition(**more), portrait or Portrait(running="6.1", default="6.1"))


def origin(portrait: Portrait | None = None, **more: Any) -> Origin:
    seen = condition(machine_id="builder", host_keys=frozenset({"b"}), **more)
    return Origin("10.0.0.1", seen, portrait, Secret("key"), ("a", "b"))


def wrong(*statements: Statement) -> dict[str, str]:
    return {each.title: each.wrong for each in statements if each.wrong}


def test_a_good_machine_contradicts_nothing() -> None:
    as_built = Portrait(hostname="ip-10-0-0-1", running="6.1", default="6.1")
    assert (
        wrong(*boot(sight(), origin(as_built)), *identity(sight(), origin(as_built)), *second_boot(sight(), sight()))
        == {}
    )


def test_what_the_source_image_did_is_not_the_images_fault() -> None:
    bad: dict[str, Any] = {"cloud_init": 2, "failed": frozenset({"a.service"})}
    assert wrong(*boot(sight(**bad), origin(**bad))) == {}
    worse = sight(cloud_init=2, failed=frozenset({"a.service", "b.service"}), notes=("recoverable_errors: x",))
    assert wrong(*boot(worse, origin(failed=frozenset({"a.service"})))) == {
        "cloud-init ended without errors": "recoverable_errors: x",
        "no unit has failed that did not fail on the source image": "b.service",
    }


@pytest.mark.parametrize(
    ("portrait", "said"),
    [
        (Portrait(running="6.1", default="6.2"), "6.1 runs, 6.2 boots next"),
        (Portrait(running="6.1", default="6.2", container=True), ""),
        (Portrait(running="6.1"), ""),
    ],
)
def test_the_running_kernel_is_the_default_one_where_a_machine_has_its_own(portrait: Portrait, said: str) -> None:
    assert (
        wrong(*boot(sight(portrait=portrait), None)).get("the kernel that runs is the one that boots next", "") == said
    )


def test_modules_built_for_another_kernel_are_named() -> None:
    portrait = Portrait(running="6.1", default="6.1", modules={"nvidia.ko": "6.0", "efa.ko.xz": "6.1"})
    (said,) = wrong(*boot(sight(portrait=portrait), None)).values()
    assert said == "the kernel is 6.1, and built are: nvidia.ko for 6.0"


@pytest.mark.parametrize(
    ("hostname", "address", "same"),
    [("ip-10-0-0-1", "10.0.0.2", True), ("ip-10-0-0-1", "10.0.0.1", False), ("web", "10.0.0.2", False)],
)
def test_a_hostname_that_ec2_gave_the_builder_goes_and_a_chosen_one_stays(
    hostname: str, address: str, *, same: bool
) -> None:
    portrait = Portrait(hostname=hostname)
    found = wrong(*identity(sight(address, portrait), origin(portrait)))
    assert ("the hostname is new" in found) is same


def test_units_that_differ_are_named_and_those_of_the_instance_are_not() -> None:
    before = {"a.service": "disabled", "b.service": "enabled", "c.timer": "masked", "d.service": "enabled"}
    now = {
        "a.service": "enabled",
        "b.service": "enabled",
        "c.timer": "disabled",
        "mnt.mount": "enabled",
        "snap.x.service": "enabled",
        "new.service": "enabled",
        "idle.service": "disabled",
    }
    assert [*differing_units(before, now)] == [
        "a.service was disabled, is enabled",
        "c.timer was masked, is disabled",
        "d.service was enabled, is gone",
        "new.service was not there, is enabled",
    ]


def test_a_reboot_that_changes_who_it_is_is_told() -> None:
    other = sight(machine_id="x", host_keys=frozenset({"other"}))
    assert [*wrong(*second_boot(other, sight())).values()] == ["it is another one", "1 of 1 are gone"]
