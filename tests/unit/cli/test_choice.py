from __future__ import annotations

from pathlib import Path

import pytest

from amiforge import recipes
from amiforge.cli.choice import choose, parse_set
from amiforge.cli.config import Config, Given, load
from amiforge.errors import ConfigError


def config(folder: Path, text: str = "") -> Config:
    path = folder / "amiforge.toml"
    path.write_text(text)
    return load(path, environment={})


def driver(recipe: object) -> str:
    return str(recipe.task("nvidia_driver").version)  # type: ignore[attr-defined]


def test_the_flag_beats_the_file(tmp_path: Path) -> None:
    file = config(tmp_path, '[recipes.eks_gpu.nvidia_driver]\nversion = "570.10.01"\n')
    (from_file,) = choose(["eks_gpu"], file, [])
    (from_flag,) = choose(["eks_gpu"], file, ["nvidia_driver.version=595.91.07"])
    assert (driver(from_file), driver(from_flag)) == ("570.10.01", "595.91.07")


def test_source_and_builder_are_changed_like_tasks(tmp_path: Path) -> None:
    file = config(tmp_path, '[recipes.eks_gpu.source]\nami = "ami-1"\n')
    changes = ["builder.volume_gib=200", 'builder.instance_types=["m7i.large"]']
    (recipe,) = choose(["eks_gpu"], file, changes)
    assert (recipe.source.ami, recipe.builder.volume_gib, recipe.builder.instance_types) == (
        "ami-1",
        200,
        ("m7i.large",),
    )


def test_options_that_only_fit_each_other_are_set_in_one_go(tmp_path: Path) -> None:
    changes = ["nvidia_driver.version=535.54.03", "nvidia_driver.kernel_modules=proprietary"]
    (recipe,) = choose(["eks_gpu"], config(tmp_path), changes)
    assert driver(recipe) == "535.54.03"


def test_without_changes_the_recipe_is_as_it_was(tmp_path: Path) -> None:
    assert choose(["eks_gpu"], config(tmp_path), []) == (recipes.find("eks_gpu"),)


def test_all_is_every_recipe_once(tmp_path: Path) -> None:
    assert [recipe.name for recipe in choose(["eks_gpu", "all"], config(tmp_path), [])] == list(recipes.names())


def test_a_recipe_named_twice_is_taken_once(tmp_path: Path) -> None:
    assert len(choose(["eks_gpu", "eks_gpu"], config(tmp_path), [])) == 1


@pytest.mark.parametrize(
    ("change", "message", "fix"),
    [
        ("nvidia.version=1", "recipe eks_gpu has no task 'nvidia'", "did you mean nvidia_driver?"),
        ("nvidia_driver.versoin=1", "nvidia_driver has no option 'versoin'", "did you mean version?"),
        ("builder.volume=1", "builder has no option 'volume'", "did you mean volume_"),
        ("nvidia_driver=1", "not of the form TASK.OPTION=VALUE", ""),
        ("nvidia_driver.version", "not of the form TASK.OPTION=VALUE", ""),
        (".version=1", "not of the form TASK.OPTION=VALUE", ""),
        ("aws_efa.minimal=maybe", "aws_efa.minimal: Input should be a valid boolean", ""),
        ("builder.volume_gib=-1", "builder.volume_gib: Input should be greater than or equal to 0", ""),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_with_its_path(
    tmp_path: Path, change: str, message: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(["eks_gpu"], config(tmp_path), [change])
    assert message in caught.value.message
    assert f"--set {change}" in caught.value.block()
    assert fix in caught.value.lines.get("fix", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[recipes.eks_gp.efa]\nminimal = true", "amiforge.toml: recipes.eks_gp: no such recipe"),
        (
            "[recipes.eks_gpu.aws_eva]\nminimal = true",
            "recipes.eks_gpu.aws_eva.minimal: recipe eks_gpu has no task 'aws_eva'",
        ),
        (
            "[recipes.eks_gpu.aws_efa]\nminimum = true",
            "recipes.eks_gpu.aws_efa.minimum: aws_efa has no option 'minimum'",
        ),
    ],
)
def test_a_wrong_name_in_the_file_is_refused_with_its_path(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(["eks_gpu"], config(tmp_path, text), [])
    assert message in caught.value.message
    assert "did you mean" in caught.value.lines["fix"]


def test_a_wrong_value_in_the_file_names_file_and_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"efa\.minimal: ") as caught:
        choose(["eks_gpu"], config(tmp_path, "[recipes.eks_gpu.aws_efa]\nminimal = 'maybe'"), [])
    assert caught.value.lines["given"] == f"{tmp_path}/amiforge.toml: recipes.eks_gpu.aws_efa.minimal"


def test_an_unknown_recipe_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="eks_gp") as caught:
        choose(["eks_gp"], config(tmp_path), [])
    assert caught.value.lines["fix"] == "did you mean eks_gpu?"


def test_only_the_first_equals_sign_separates() -> None:
    assert parse_set("task.option=a=b.c") == ("task", "option", Given("a=b.c", "--set task.option=a=b.c"))
