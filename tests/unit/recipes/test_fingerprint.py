from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import amiforge
from amiforge import recipes
from amiforge.engine.resource import Resource
from amiforge.recipes import source_code
from amiforge.recipes.fingerprint import fingerprint
from amiforge.recipes.outline import outline
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.supply import downloads
from amiforge.resources import File
from amiforge.shell import Secret
from amiforge.systems.system import System
from amiforge.systems.trust import FIRST_USE, Trust
from amiforge.tasks.task import Task

AMI = "ami-0123456789abcdef0"
BASE = recipes.base
PACKAGE = Path(amiforge.__file__).parent


def of(recipe: Recipe, ami: str = AMI, trust: Trust = FIRST_USE, mirror: str = "") -> str:
    return fingerprint(recipe, ami, trust, mirror)


def test_a_fingerprint_is_sixteen_digits_and_no_two_recipes_have_the_same() -> None:
    found = {of(recipes.find(name)) for name in recipes.names()}
    assert len(found) == len(recipes.names())
    assert all(len(each) == 16 and int(each, 16) for each in found)


@pytest.mark.parametrize(
    "changed",
    [
        BASE.with_options("builder", volume_gib=200),
        BASE.with_options("builder", volume_throughput=500),
        BASE.with_options("builder", kms_key="alias/images"),
        BASE.with_options("source", user="admin"),
        BASE.with_options("aws_cli", version="2.30.0"),
        BASE.without_task("docker"),
        BASE.model_copy(update={"tasks": BASE.tasks[::-1]}),
    ],
)
def test_what_ends_up_on_the_image_counts(changed: Recipe) -> None:
    assert of(changed) != of(BASE)


@pytest.mark.parametrize(
    "changed",
    [
        BASE.with_options("builder", instance_types=("m7i.large",), subnets=("subnet-1",), profile="p"),
        BASE.with_options("source", name="another-*", owner="self", parameter=""),
        BASE.model_copy(update={"name": "other", "description": "other", "allow": ("x",), "variants": ()}),
    ],
)
def test_where_and_how_it_is_built_does_not_count(changed: Recipe) -> None:
    assert of(changed) == of(BASE)


def test_another_source_image_or_mirror_counts() -> None:
    assert len({of(BASE), of(BASE, ami="ami-1"), of(BASE, mirror="https://mirror")}) == 3


def test_what_downloads_must_be_counts_for_those_that_the_recipe_has() -> None:
    url = next(each.url for each in downloads(BASE) if each.kind == "file")
    assert of(BASE, trust=Trust(digests={url: "0" * 64})) != of(BASE)
    assert of(BASE, trust=Trust(digests={"https://elsewhere/file": "0" * 64})) == of(BASE)


class Registry(Task):
    """Login to a registry."""

    token: Secret

    def resources(self, system: System) -> Iterator[Resource]:
        yield File("/run/token", self.token)


def test_of_a_secret_it_counts_that_it_is_given_and_not_what_it_is() -> None:
    found = [of(BASE.with_task(Registry(token=Secret(text)))) for text in ("one-password", "another-one")]
    assert found[0] == found[1] != of(BASE)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a copy of the package, which from now on counts as ours."""
    copy = tmp_path / "amiforge"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "sandbox", "cli"))
    monkeypatch.setattr(source_code, "_PACKAGE", copy)
    monkeypatch.setattr(source_code, "_FILES", copy / "files")
    monkeypatch.setattr(amiforge, "__path__", [str(copy)])
    return copy


def changed_by(checkout: Path, path: str) -> set[str]:
    """Give the recipes that a change of a file makes another image of."""
    before = {name: of(recipes.find(name)) for name in recipes.names()}
    with (checkout / path).open("a") as file:
        file.write("\n# changed\n")
    return {name for name, was in before.items() if of(recipes.find(name)) != was}


def with_task(name: str) -> set[str]:
    found = (recipes.find(each) for each in recipes.names())
    return {recipe.name for recipe in found if name in {task.name() for task in recipe.tasks}}


def test_another_checkout_has_the_same_fingerprints(checkout: Path) -> None:
    found = of(recipes.eks_gpu)
    for file in checkout.rglob("*.py"):
        file.touch()
    assert found == of(recipes.eks_gpu)


@pytest.mark.parametrize(
    ("path", "task"),
    [
        ("tasks/aws_ofi_nccl.py", "aws_ofi_nccl"),
        ("tasks/parts/driver_module.py", "nvidia_driver"),
        ("files/neuron_driver/neuron.sh", "neuron_driver"),
        ("files/nvidia_dcgm/order.conf", "nvidia_dcgm"),
    ],
)
def test_code_and_files_of_a_task_count_for_the_recipes_that_have_it(checkout: Path, path: str, task: str) -> None:
    found = changed_by(checkout, path)
    assert with_task(task) <= found < set(recipes.names())


@pytest.mark.parametrize("path", ["resources/file.py", "systems/apt.py", "bake/clean/areas.py"])
def test_code_that_all_tasks_share_counts_for_every_recipe(checkout: Path, path: str) -> None:
    assert changed_by(checkout, path) == set(recipes.names())


@pytest.mark.parametrize("path", ["ec2/launch.py", "bake/gc.py", "engine/link.py", "errors.py"])
def test_code_that_decides_nothing_on_an_image_does_not_count(checkout: Path, path: str) -> None:
    assert changed_by(checkout, path) == set()


def test_every_file_that_a_recipe_puts_on_a_host_is_among_the_code_of_its_task() -> None:
    for recipe in (recipes.find(name).on(*where) for name in recipes.names() for where in platforms(name)):
        kinds = {task.name(): type(task) for task in recipe.tasks}
        for planned in outline(recipe).items:
            if isinstance(planned.item.resource, File) and planned.item.resource.source:
                modules = source_code._modules(kinds[planned.item.task].__module__)
                assert planned.item.resource.source in source_code._carried(modules.values())


def platforms(name: str) -> list[tuple[str, str]]:
    return [(source.os, source.architecture) for source in recipes.find(name).sources]


TASK = """
from amiforge.tasks import Task
from outside_{n}.words import GREETING

class Greeting(Task):
    '''A greeting.'''
    def resources(self, system):
        yield from ()
"""


@pytest.mark.parametrize(("number", "file"), list(enumerate(["words.py", "motd.txt", "greeting.py"])))
def test_of_another_package_what_a_task_imports_and_the_files_beside_it_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, file: str
) -> None:
    folder = tmp_path / f"outside_{number}"
    folder.mkdir()
    texts = {"__init__.py": "", "greeting.py": TASK.format(n=number), "words.py": "GREETING = 1", "motd.txt": "hello"}
    for name, text in texts.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    module: Any = __import__(f"outside_{number}.greeting", fromlist=["Greeting"])
    before = source_code.task_code(module.Greeting)
    (folder / file).write_text(texts[file] + "\n")
    assert source_code.task_code(module.Greeting) != before


def test_without_a_file_of_the_code_there_is_no_fingerprint() -> None:
    kind = type("Typed", (Registry,), {"__module__": "typed_in"})
    assert of(BASE.with_task(kind(token=Secret("password")))) == ""


@pytest.mark.subprocesses
def test_another_process_with_other_hashes_gives_the_same() -> None:
    text = (
        "from amiforge import recipes; from amiforge.recipes.fingerprint import fingerprint as f;"
        "from amiforge.systems.trust import Trust; print(f(recipes.eks_gpu, 'ami-1', Trust()))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", text], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in "12"
    }
    assert len(found) == 1
