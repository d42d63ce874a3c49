"""What starting up may cost. Modules are counted rather than seconds: a slow machine proves nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.subprocesses

HEAVY = {"boto3", "botocore", "fabric", "moto", "paramiko", "pytest", "rich", "testinfra"}


def loaded_by(code: str) -> set[str]:
    """Give the top-level modules that a fresh Python has loaded after running this code."""
    program = f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_amiforge_loads_nothing_but_the_standard_library() -> None:
    added = loaded_by("import amiforge") - loaded_by("import importlib, types, typing")
    assert added - set(sys.stdlib_module_names) == {"amiforge"}


def test_the_list_of_commands_does_without_pydantic() -> None:
    assert "pydantic" not in loaded_by("from amiforge.cli.app import run; assert run(['--help']) == 0")


@pytest.mark.parametrize("args", [["--help"], ["bake", "--help"], ["sandbox", "--help"]])
def test_help_loads_typer_and_nothing_heavy(args: list[str]) -> None:
    loaded = loaded_by(f"from amiforge.cli.app import run; assert run({args}) == 0")
    assert "typer" in loaded
    assert loaded & HEAVY == set()


def test_a_plan_without_a_host_loads_neither_aws_nor_ssh_nor_the_sandbox() -> None:
    loaded = loaded_by("from amiforge.cli.app import run; assert run(['plan', 'eks_gpu']) == 0")
    assert loaded & {"boto3", "botocore", "fabric", "moto", "paramiko", "pytest", "testinfra"} == set()
