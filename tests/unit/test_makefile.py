from __future__ import annotations

import re
from pathlib import Path

from amiforge.sandbox.requirements import PACKAGES

MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text()
#: Every Debian has these, as they are what installs the others.
ESSENTIAL = {"apt-get", "mount", "unshare"}


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
