from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path
from types import ModuleType

import pytest

from amiforge import recipes, resources
from amiforge.cli.config import SECTIONS

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


def test_the_example_is_what_the_guide_shows() -> None:
    assert '--8<-- "examples/own_task.py"' in (DOCS / "how-to" / "own-task.md").read_text()


def test_every_setting_stands_in_the_reference(generate: ModuleType) -> None:
    text = page(generate, "settings")
    for section, model in SECTIONS:
        assert f"## [{section}]" in text
        for name in model.model_fields:
            assert f"| `{name}` |" in text


def test_every_recipe_and_task_stands_in_the_reference(generate: ModuleType) -> None:
    for name in recipes.names():
        assert f"## {name}\n" in page(generate, "recipes")
        for task in recipes.find(name).tasks:
            assert f"## {task.name()}\n" in page(generate, "tasks")
            for option in type(task).model_fields:
                assert f"| `{option}` |" in page(generate, "tasks")


def test_every_command_and_error_stands_in_the_reference(generate: ModuleType) -> None:
    for command in ("list", "show", "plan", "apply", "bake", "verify", "sandbox up", "sandbox ssh"):
        assert f"## amiforge {command}\n" in page(generate, "command-line")
    assert "| `CleanupIncomplete` | 4 | Something that the bake made is still there; the lines list it. |" in page(
        generate, "errors"
    )


def test_every_resource_kind_stands_in_the_reference(generate: ModuleType) -> None:
    text = page(generate, "resources")
    assert [name for name in resources.__all__ if f"## {name}\n" not in text] == []
