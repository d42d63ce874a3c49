from __future__ import annotations

import pytest

from amiforge.bake.history import histories
from amiforge.bake.resume import refuse_ended
from amiforge.bake.verify_image import verify_image
from amiforge.engine.events import StepFinished
from amiforge.errors import ConfigError, Parked, SourceImageNotFound
from amiforge.recipes.recipe import Recipe
from amiforge.settings import BakeSettings
from tests.unit.bake.bench import Bench
from tests.unit.ec2.cloud import SETTINGS


def verify(bench: Bench, ami: str) -> None:
    made = bench.bake()
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
