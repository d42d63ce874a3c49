from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from amiforge import recipes
from amiforge.cli.asked import Asked, parse_set
from amiforge.cli.choice import Chosen, choose_one
from amiforge.cli.choice import choose as choose_asked
from amiforge.cli.config import Config, Given, load
from amiforge.ec2.source_image import al2023_image, amzn2_image, ubuntu_image
from amiforge.errors import ConfigError, RecipeError
from amiforge.recipes.recipe import Recipe, Variant
from amiforge.tasks.aws_efa import AwsEfa
from amiforge.tasks.packages import Packages


def config(folder: Path, text: str = "") -> Config:
    path = folder / "amiforge.toml"
    path.write_text(text)
    return load(path, environment={})


def choose(names: list[str], config: Config, changes: Sequence[str], **asked: Any) -> tuple[Recipe, ...]:
    return tuple(each.recipe for each in choose_asked(names, config, Asked(changes, **asked)))


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
    assert f"--set {change.partition('=')[0]}" in caught.value.block()
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
    assert parse_set("task.option=a=b.c") == ("task", "option", Given("a=b.c", "--set task.option"))


EVERYWHERE = Recipe(
    name="everywhere",
    description="on several systems",
    source=al2023_image(),
    tasks=(Packages(), AwsEfa()),
    variants=(
        Variant(source=al2023_image(architecture="arm64")),
        Variant(source=ubuntu_image("ubuntu2404"), tasks=(AwsEfa(minimal=True),)),
        Variant(source=amzn2_image()),
    ),
    instances=("p5", "g5g"),
)


@pytest.fixture
def _two(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"eks_gpu": recipes.find("eks_gpu").model_copy(update={"variants": ()}), "everywhere": EVERYWHERE}
    monkeypatch.setattr(recipes, "names", lambda: tuple(found))
    monkeypatch.setattr(recipes, "find", found.__getitem__)


def where(found: Sequence[Recipe]) -> list[str]:
    return [f"{recipe.name} {recipe.source.os} {recipe.source.architecture}" for recipe in found]


@pytest.mark.usefixtures("_two")
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["everywhere al2023 x86_64"]),
        ({"os": ["ubuntu2404"]}, ["everywhere ubuntu2404 x86_64"]),
        ({"os": ["amzn2,ubuntu2404"]}, ["everywhere amzn2 x86_64", "everywhere ubuntu2404 x86_64"]),
        ({"arch": ["aarch64"]}, ["everywhere al2023 arm64"]),
        (
            {"os": ["all"]},
            ["everywhere al2023 x86_64", "everywhere ubuntu2404 x86_64", "everywhere amzn2 x86_64"],
        ),
        ({"os": ["all"], "arch": ["arm64"]}, ["everywhere al2023 arm64"]),
        (
            {"os": ["al2023"], "arch": ["all"]},
            ["everywhere al2023 x86_64", "everywhere al2023 arm64"],
        ),
    ],
)
def test_a_recipe_is_taken_on_every_system_asked_for(tmp_path: Path, asked: dict[str, Any], found: list[str]) -> None:
    assert where(choose(["everywhere"], config(tmp_path), [], **asked)) == found


@pytest.mark.usefixtures("_two")
def test_all_recipes_are_taken_where_they_exist_and_a_named_one_must(tmp_path: Path) -> None:
    assert where(choose(["all"], config(tmp_path), [], os=["ubuntu2404"])) == ["everywhere ubuntu2404 x86_64"]
    with pytest.raises(RecipeError, match="eks_gpu does not exist for ubuntu2404"):
        choose(["eks_gpu"], config(tmp_path), [], os=["ubuntu2404"])
    with pytest.raises(RecipeError, match="no recipe exists for ubuntu2204"):
        choose(["all"], config(tmp_path), [], os=["ubuntu2204"])


@pytest.mark.usefixtures("_two")
def test_the_file_says_where_and_for_what_and_the_flag_beats_it(tmp_path: Path) -> None:
    file = config(
        tmp_path,
        """
        [recipes.everywhere]
        os = "ubuntu2404"
        versions = "gpu-current"
        instances = ["p5en"]
        allow = ["order"]
        packages = { update = "all" }
        """,
    )
    (recipe,) = choose(["everywhere"], file, [])
    assert where([recipe]) == ["everywhere ubuntu2404 x86_64"]
    assert (recipe.instances, recipe.allow, recipe.task("aws_efa").model_dump()["version"]) == (
        ("p5en",),
        ("order",),
        "1.51.0",
    )
    asked = {"os": ["al2023"], "versions": "gpu-stable", "instances": ["p4d,p5"], "allow": ["efa-system"]}
    (recipe,) = choose(["everywhere"], file, [], **asked)
    assert (recipe.source.os, recipe.instances, recipe.allow) == ("al2023", ("p4d", "p5"), ("order", "efa-system"))
    assert recipe.task("aws_efa").model_dump()["version"] == "1.50.0"


@pytest.mark.usefixtures("_two")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("os = 3", "recipes.everywhere.os must be text or a list of texts, and is 3"),
        ("versions = ['a']", "recipes.everywhere.versions must be text"),
        ("versions = 'newest'", "there is no version set 'newest'"),
        ("operating_system = 'al2023'", "recipes.everywhere.operating_system must be a table"),
    ],
)
def test_a_wrong_choice_in_the_file_names_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(["everywhere"], config(tmp_path, f"[recipes.everywhere]\n{text}"), [])
    assert message in caught.value.block()
    assert "amiforge.toml" in caught.value.block()


@pytest.mark.usefixtures("_two")
def test_what_was_given_and_the_versions_that_hold_are_remembered(tmp_path: Path) -> None:
    file = config(tmp_path, "[recipes.everywhere.packages]\nupdate = 'all'\n")
    asked = Asked(("aws_efa.version=1.49.0",), ("amzn2",))
    chosen: Chosen = choose_one("everywhere", file, asked)
    assert chosen.versions == "legacy-al2"
    assert chosen.given == {
        ("packages", "update"): f"{tmp_path}/amiforge.toml: recipes.everywhere.packages.update",
        ("aws_efa", "version"): "--set aws_efa.version",
    }
    assert list(asked.words()) == ["--set", "aws_efa.version=1.49.0", "--os", "amzn2"]


@pytest.mark.usefixtures("_two")
def test_one_host_takes_one_recipe_on_one_system(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="these are 3: everywhere on al2023, everywhere on ubuntu2404"):
        choose_one("everywhere", config(tmp_path), Asked(os=["all"]))
