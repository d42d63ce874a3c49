from __future__ import annotations

import pytest

from amiforge.bake.history import histories
from amiforge.bake.resume import refuse_ended
from amiforge.bake.verify_image import verify_image
from amiforge.engine.events import CheckFinished, StepFinished
from amiforge.errors import CheckFailed, ConfigError, Parked, SourceImageNotFound
from amiforge.recipes.recipe import Recipe
from amiforge.settings import BakeSettings
from tests.unit.bake.bench import Bench
from tests.unit.ec2.cloud import SETTINGS


def verify(bench: Bench, ami: str, *, proven: bool = True, mark: bool = False) -> None:
    made = bench.bake(verify=proven)
    bench.events.clear()
    source = {"ami": "", "name": made.source.name, "owner": made.source.owner}
    recipe = Recipe.model_validate(
        {"name": "empty", "description": "nothing", "source": source, "builder": bench.builder, "tasks": ()}
    )
    verify_image(
        recipe,
        ami or made.image,
        SETTINGS,
        settings=BakeSettings(runs=str(bench.folder)),
        listener=bench.events.append,
        means=bench.machines.means(),
        mark=mark,
    )


def test_an_image_is_booted_checked_and_kept_and_nothing_else_stays(bench: Bench) -> None:
    verify(bench, "")
    steps = [event.step for event in bench.events if isinstance(event, StepFinished)]
    assert steps[-3:] == ["connect", "check instance", "clean up"]
    assert [left.split()[0] for left in bench.cloud.leftovers()] == ["image"]


def test_an_image_that_is_not_there_is_named_and_nothing_stays(bench: Bench) -> None:
    with pytest.raises(SourceImageNotFound, match="ami-0123456789abcdef0"):
        verify(bench, "ami-0123456789abcdef0")
    assert [left.split()[0] for left in bench.cloud.leftovers()] == ["image"]


def test_a_run_that_verifies_is_not_gone_on_with_as_a_bake(bench: Bench) -> None:
    bench.faults["RunInstances", 3] = "ExpiredToken"
    with pytest.raises(Parked):
        verify(bench, "")
    (parked,) = (each for each in histories(bench.folder)[0] if each.outcome == "parked")
    assert (parked.status, parked.resumable) == ("parked", False)
    with pytest.raises(ConfigError, match="bakes nothing: it verifies ami-"):
        refuse_ended(parked)


def state(bench: Bench) -> str:
    ec2 = bench.cloud.clients.ec2
    tags = next(image["Tags"] for image in ec2.describe_images(Owners=["self"])["Images"] if image.get("Tags"))
    return next(tag["Value"] for tag in tags if tag["Key"] == "amiforge:state")


@pytest.mark.parametrize("mark", [True, False])
def test_an_unverified_image_that_passes_may_be_marked(bench: Bench, *, mark: bool) -> None:
    verify(bench, "", proven=False, mark=mark)
    assert state(bench) == ("verified" if mark else "unverified")
    checks = [event for event in bench.events if isinstance(event, CheckFinished)]
    assert {"after a reboot: the machine id stays", "nothing is there that the wipe removed"} <= {
        c.title for c in checks
    }


def test_an_image_that_is_verified_is_not_marked_again_and_nothing_is_launched(bench: Bench) -> None:
    with pytest.raises(ConfigError, match=r"--mark: ami-\w+ is verified"):
        verify(bench, "", mark=True)
    assert bench.cloud.calls.count("RunInstances") == 2


def test_an_unverified_image_that_fails_stays_so(bench: Bench) -> None:
    bench.machines.bad_checks = True
    with pytest.raises(CheckFailed):
        verify(bench, "", proven=False, mark=True)
    assert state(bench) == "unverified"
    assert [left.split()[0] for left in bench.cloud.leftovers()] == ["image"]
