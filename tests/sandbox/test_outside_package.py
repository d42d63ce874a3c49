"""The package of the documentation bakes: its task is on the image, and its checks are put to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from amiforge.sandbox.folder import Folder

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "acme_amiforge"

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


def test_a_recipe_of_another_package_bakes(own_folder: Folder, tmp_path: Path) -> None:
    offline = ["--no-index", "--no-build-isolation", "--no-deps", "--disable-pip-version-check", "--quiet"]
    pip = [sys.executable, "-m", "pip", "install", *offline, "--target", str(tmp_path / "site"), str(EXAMPLE)]
    subprocess.run(pip, check=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "AMIFORGE_SANDBOX": str(own_folder.path)}
    bake = [sys.executable, "-m", "amiforge", "bake", "acme_node", "--sandbox", "--json"]
    done = subprocess.run(bake, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["verified"] == "passed"
    titles = {each["title"]: each["outcome"] for each in events if each["event"] == "CheckFinished"}
    assert titles["the SSH server takes no passwords"] == "passed"
    assert titles["a login shell ends after 15 idle minutes"] == "passed"
