from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from amiforge import recipes
from amiforge.sandbox.requirements import PACKAGES

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
#: Every Debian has these, as they are what installs the others.
ESSENTIAL = {"apt-get", "mount", "nsenter", "unshare"}


def test_the_makefile_installs_every_program_that_the_sandbox_needs() -> None:
    pairs = re.search(r"^PROGRAMS := (.*)$", MAKEFILE, re.MULTILINE)
    assert pairs
    assert dict(pair.split(":") for pair in pairs[1].split()) == {
        program: package for program, package in PACKAGES.items() if program not in ESSENTIAL
    }


def test_every_target_that_is_no_file_is_declared_as_such() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony
    targets = set(re.findall(r"^([a-z][a-z-]*):(?!=)", MAKEFILE, re.MULTILINE))
    assert targets - set(phony[1].split()) == set()


def test_there_is_a_target_for_the_image_of_every_recipe() -> None:
    named = re.search(r"^RECIPES := (.*)$", MAKEFILE, re.MULTILINE)
    assert named
    assert named[1].split() == sorted(recipes.names())


@pytest.mark.subprocesses
@pytest.mark.parametrize("given", [{"argument": "AWS_REGION=eu-west-1"}, {"variable": "eu-west-1"}])
def test_the_targets_of_images_bake_in_the_region_that_is_given(tmp_path: Path, given: dict[str, str]) -> None:
    program = tmp_path / "bin" / "amiforge"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$AWS_REGION: $*"\n')
    program.chmod(0o755)
    (tmp_path / ".ready").touch()
    argv = ["make", "--silent", f"VENV={tmp_path}", "ami_eks_gpu", "ami", *filter(None, [given.get("argument")])]
    environment = {**os.environ, "AWS_REGION": given.get("variable", "")}
    made = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert made.stdout.splitlines() == ["eu-west-1: bake eks_gpu", "eu-west-1: bake all"]
