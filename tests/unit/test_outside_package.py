"""The package of the documentation, installed as anybody would: its task and recipe are like our own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "acme_amiforge"

pytestmark = pytest.mark.subprocesses


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it into a folder of its own, from nowhere but this machine."""
    folder = tmp_path_factory.mktemp("site")
    offline = ["--no-index", "--no-build-isolation", "--no-deps", "--disable-pip-version-check", "--quiet"]
    pip = [sys.executable, "-m", "pip", "install", *offline, "--target", str(folder), str(EXAMPLE)]
    subprocess.run(pip, check=True)
    return folder


def amiforge(installed: Path, *args: str) -> str:
    program = [sys.executable, "-m", "amiforge", *args]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(program, env=environment, capture_output=True, text=True, check=True, cwd=installed).stdout


def test_its_task_and_recipe_are_listed(installed: Path) -> None:
    words = amiforge(installed, "list").split()
    assert {"acme_node", "acme_baseline", "eks_gpu"} <= set(words)


def test_its_recipe_is_planned_with_its_own_options(installed: Path) -> None:
    change = ("--set", "acme_baseline.idle_minutes=5")
    assert "file /etc/ssh/sshd_config.d/10-acme.conf" in amiforge(installed, "plan", "acme_node", *change)
    assert "* idle_minutes  5" in amiforge(installed, "show", "acme_node", "--options", *change)


def test_installing_it_leaves_nothing_in_its_own_folder(installed: Path) -> None:
    assert installed.is_dir()
    assert {path.name for path in EXAMPLE.iterdir()} == {"pyproject.toml", "acme_amiforge"}
