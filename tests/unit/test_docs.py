from __future__ import annotations

import importlib.util
import re
import runpy
import shlex
from pathlib import Path
from types import ModuleType

import pytest

from amiforge import recipes, resources
from amiforge.cli.app import run
from amiforge.cli.config import SECTIONS
from amiforge.recipes.compatibility import RULES
from amiforge.recipes.software import software
from amiforge.recipes.version_sets import VERSION_SETS
from amiforge.tasks import registry

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(generate: ModuleType, name: str) -> str:
    return "\n".join(generate.PAGES[name]())


def test_the_example_changes_an_option_adds_a_task_and_plans_it(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(DOCS / "examples" / "own_task.py"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].split() == ["motd", "file", "/etc/motd"]
    assert any("595.91.07" in line for line in lines)


@pytest.mark.parametrize(
    ("page", "example"),
    [
        ("own-task", "own_task.py"),
        ("verify-a-machine", "test_cluster.py"),
        ("outside-package", "acme_amiforge/pyproject.toml"),
        ("outside-package", "acme_amiforge/acme_amiforge/acme_baseline.py"),
        ("outside-package", "acme_amiforge/acme_amiforge/acme_node.py"),
    ],
)
def test_the_examples_are_what_the_guides_show(page: str, example: str) -> None:
    assert (DOCS / "examples" / example).is_file()
    assert f'--8<-- "examples/{example}"' in (DOCS / "how-to" / f"{page}.md").read_text()


def test_every_setting_stands_in_the_reference(generate: ModuleType) -> None:
    text = page(generate, "settings")
    for section, model in SECTIONS:
        assert f"## [{section}]" in text
        for name in model.model_fields:
            assert f"| `{name}` |" in text


def test_every_recipe_and_task_stands_in_the_reference(generate: ModuleType) -> None:
    for name in recipes.names():
        assert f"## {name}\n" in page(generate, "recipes")
    text = page(generate, "tasks")
    for name in registry.names():
        assert f"## {name}\n" in text
        for option in registry.find(name).model_fields:
            assert f"| `{option}` |" in text


def test_the_software_of_every_image_stands_in_the_reference(generate: ModuleType) -> None:
    text = page(generate, "recipes")
    for name in recipes.names():
        recipe = recipes.find(name)
        for os in {source.os for source in recipe.sources}:
            table = text.partition(f"### Software of {name} on {os}\n")[2].partition("###")[0]
            assert all(f"| {each.title} |" in table for each in software(recipe.on(os)))


def test_every_version_set_and_compatibility_rule_stands_in_the_reference(generate: ModuleType) -> None:
    text = page(generate, "version-sets")
    for each in VERSION_SETS:
        assert f"## {each.name}\n" in text
        assert all(f"| `{pin.task}.{pin.option}` | `{pin.value}` |" in text for pin in each.pins)
    text = page(generate, "compatibility")
    assert [rule.id for rule in RULES if f"| `{rule.id}` | {rule.title} | {rule.severity} |" not in text] == []


@pytest.mark.parametrize("page", sorted((DOCS / "how-to").glob("*.md")), ids=lambda path: path.stem)
def test_commands_in_the_guides_are_commands_that_there_are(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those that only look are run; of the others every option must exist."""
    monkeypatch.chdir(tmp_path)
    for line in re.findall(r"^[$#] (amiforge .*)$", page.read_text(), re.MULTILINE):
        words = shlex.split(line.partition(" >")[0])[1:]
        if words[0] in {"plan", "show", "list"} and not {"--host", "--aws", "acme_node"} & set(words):
            assert run(words) in {0, 5}, line
            continue
        depth = {"sandbox": 2, "sandbox faults": 3, "sandbox faults add": 4}
        command = words[: max([1, *(n for group, n in depth.items() if " ".join(words).startswith(group))])]
        assert run([*command, "--help"]) == 0, line
        flags = {word.partition("=")[0] for word in words if word.startswith("--") and word != "--"}
        shown = capsys.readouterr().out
        assert [flag for flag in flags if flag not in shown] == [], line


def test_every_command_and_error_stands_in_the_reference(generate: ModuleType) -> None:
    for command in ("list", "show", "plan", "apply", "bake", "verify", "sandbox up", "sandbox ssh"):
        assert f"## amiforge {command}\n" in page(generate, "command-line")
    assert "| `CleanupIncomplete` | 4 | Something that the bake made is still there; the lines list it. |" in page(
        generate, "errors"
    )


def test_every_resource_kind_stands_in_the_reference(generate: ModuleType) -> None:
    text = page(generate, "resources")
    assert [name for name in resources.__all__ if f"## {name}\n" not in text] == []
