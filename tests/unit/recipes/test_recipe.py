from __future__ import annotations

import pytest

from amiforge import recipes
from amiforge.ec2.source_image import al2023_image, ubuntu_image
from amiforge.errors import ConfigError, RecipeError
from amiforge.recipes import eks_gpu
from amiforge.recipes.outline import outline
from amiforge.recipes.recipe import Recipe, Variant
from amiforge.tasks.aws_cli import AwsCli
from amiforge.tasks.aws_efa import AwsEfa
from amiforge.tasks.aws_lustre import AwsLustre
from amiforge.tasks.packages import Packages
from amiforge.tasks.platform import platforms


def order(recipe: Recipe) -> list[str]:
    return [task.name() for task in recipe.tasks]


def test_eks_gpu_installs_in_the_order_its_parts_depend_on_each_other() -> None:
    assert order(eks_gpu) == ["packages", "aws_cli", "nvidia_driver", "aws_efa", "aws_lustre"]


def test_a_changed_option_gives_another_recipe_and_leaves_the_first() -> None:
    changed = eks_gpu.with_options("nvidia_driver", version="595.91.07")
    assert changed.task("nvidia_driver").model_dump()["version"] == "595.91.07"
    assert eks_gpu.task("nvidia_driver").model_dump()["version"] == "580.159.03"
    assert changed != eks_gpu


def test_source_and_builder_are_changed_in_the_same_way() -> None:
    assert eks_gpu.with_options("builder", volume_gib=200).builder.volume_gib == 200
    assert eks_gpu.with_options("source", ami="ami-0123456789abcdef0").source.ami == "ami-0123456789abcdef0"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nvidia_driver", {"verison": "1"}, "nvidia_driver.verison: no such option"),
        ("nvidia_driver", {"version": "new"}, "nvidia_driver.version"),
        ("builder", {"instance_types": ()}, "builder.instance_types"),
    ],
)
def test_a_wrong_option_is_named_with_its_path(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        eks_gpu.with_options(name, **options)


def test_tasks_are_put_where_they_are_wanted() -> None:
    bare = eks_gpu.without_task("aws_lustre").without_task("aws_efa")
    assert order(bare.with_task(AwsEfa(), after="packages")) == ["packages", "aws_efa", "aws_cli", "nvidia_driver"]
    assert order(bare.with_task(AwsLustre(), before="packages"))[0] == "aws_lustre"
    assert order(bare.with_task(AwsLustre()))[-1] == "aws_lustre"


def test_a_change_of_tasks_counts_on_every_system_where_it_can() -> None:
    class OnUbuntu(AwsLustre):
        platforms = platforms("ubuntu2404")

    recipe = Recipe(
        name="r",
        description="r",
        source=al2023_image(),
        tasks=(Packages(), AwsEfa()),
        variants=(
            Variant(source=ubuntu_image("ubuntu2204"), tasks=(Packages(update="all"), AwsEfa())),
            Variant(source=ubuntu_image("ubuntu2404"), tasks=(AwsEfa(),)),
            Variant(source=al2023_image(architecture="arm64")),
        ),
    )
    changed = recipe.with_task(AwsCli(), after="packages").with_options("aws_efa", minimal=True).with_task(OnUbuntu())
    assert order(changed.on("ubuntu2204")) == ["packages", "aws_cli", "aws_efa"]
    assert order(changed.on("ubuntu2404")) == ["aws_efa", "aws_cli", "on_ubuntu"]
    assert order(changed.on("al2023", "arm64")) == ["packages", "aws_cli", "aws_efa", "on_ubuntu"]
    efa = changed.on("ubuntu2204").task("aws_efa")
    assert isinstance(efa, AwsEfa)
    assert efa.minimal
    assert order(changed.without_task("packages").on("ubuntu2204")) == ["aws_cli", "aws_efa"]


def test_a_task_stands_once_in_a_recipe() -> None:
    with pytest.raises(RecipeError, match="efa more than once"):
        eks_gpu.with_task(AwsEfa())


def test_an_unknown_task_is_refused_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match="no task 'cuda'") as caught:
        eks_gpu.without_task("cuda")
    assert "nvidia_driver" in caught.value.block()


def test_an_unknown_recipe_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'eks_gpuu'") as caught:
        recipes.find("eks_gpuu")
    assert "did you mean eks_gpu?" in caught.value.block()


def test_every_recipe_can_be_outlined_and_shown_as_data() -> None:
    for name in recipes.names():
        recipe = recipes.find(name)
        assert outline(recipe).pending
        assert recipe.model_dump(mode="json")["name"] == name
