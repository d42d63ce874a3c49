from __future__ import annotations

import pytest

from amiforge.ec2.source_image import amzn2_image, eks_image, ubuntu_image
from amiforge.errors import ConfigError, RecipeError
from amiforge.recipes import version_sets
from amiforge.recipes.recipe import Recipe, Variant
from amiforge.recipes.version_sets import DEFAULTS, VERSION_SETS, Pin, VersionSet
from amiforge.tasks import registry
from amiforge.tasks.aws_efa import AwsEfa
from amiforge.tasks.instance_family import find
from amiforge.tasks.nvidia_driver import NvidiaDriver
from amiforge.tasks.packages import Packages

PINS = [(each, pin) for each in VERSION_SETS for pin in each.pins]
GPU = Recipe(
    name="gpu",
    description="a driver and EFA",
    source=eks_image(),
    tasks=(Packages(), NvidiaDriver(), AwsEfa(minimal=True)),
    variants=(Variant(source=amzn2_image()), Variant(source=ubuntu_image(architecture="arm64"))),
    instances=("p5", "g5g", "p6-b200"),
)


def options(recipe: Recipe, task: str) -> dict[str, object]:
    return recipe.task(task).model_dump()


@pytest.mark.parametrize(("of", "pin"), PINS, ids=lambda value: getattr(value, "name", getattr(value, "task", "")))
def test_every_pin_is_an_option_that_takes_its_value(of: VersionSet, pin: Pin) -> None:
    task = registry.find(pin.task)
    assert pin.option in task.model_fields
    task.model_validate({pin.option: pin.value})
    assert {name for name, _ in task.platforms} & set(of.systems)


@pytest.mark.parametrize("name", ["gpu-stable", "neuron"])
def test_the_default_sets_are_the_defaults_of_the_tasks(name: str) -> None:
    for pin in (*version_sets.find(name).pins, *DEFAULTS):
        assert registry.find(pin.task).model_fields[pin.option].default == pin.value, pin


def test_a_set_names_an_option_once_and_families_that_there_are() -> None:
    for each in VERSION_SETS:
        places = [(pin.task, pin.option) for pin in each.pins]
        assert len(places) == len(set(places))
        assert all(find(name) for name in each.instances)


def test_a_set_changes_the_tasks_that_a_recipe_has_and_nothing_else() -> None:
    current = GPU.with_versions("gpu-current")
    assert options(current, "nvidia_driver")["version"] == "595.91.07"
    assert (options(current, "aws_efa")["version"], options(current, "aws_efa")["minimal"]) == ("1.51.0", True)
    assert current.task("packages") == GPU.task("packages")
    assert current.instances == GPU.instances


def test_an_operating_system_may_imply_a_set_for_what_is_left_at_its_default() -> None:
    there = GPU.on("amzn2")
    assert options(there, "nvidia_driver")["version"] == "550.163.01"
    assert options(there, "nvidia_driver")["kernel_modules"] == "proprietary"
    assert options(there, "aws_efa")["version"] == "1.49.0"
    own = GPU.with_options("aws_efa", version="1.38.1").on("amzn2")
    assert options(own, "aws_efa")["version"] == "1.38.1"


def test_instances_are_left_out_where_they_cannot_be_or_the_versions_are_not_for_them() -> None:
    assert GPU.on("amzn2").instances == ("p5",)
    assert GPU.on("ubuntu2404", "arm64").instances == ("g5g",)
    assert GPU.with_versions("legacy-v100").instances == ("p3", "p3dn")


@pytest.mark.parametrize(("name", "recipe"), [("gpu-current", GPU.on("amzn2")), ("legacy-al2", GPU)])
def test_a_set_for_other_systems_is_refused(name: str, recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match=f"version set {name} is made for "):
        recipe.with_versions(name)


def test_an_unknown_set_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        GPU.with_versions("gpu-curent")
    assert caught.value.lines["fix"] == "did you mean gpu-current?"
