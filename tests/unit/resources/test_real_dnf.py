"""The same texts with the real dnf and rpm, on an empty root and a repository of our own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from amiforge.engine.resource import Resource
from amiforge.resources.packages import Packages, Updates
from tests.realshell import ask, converge, differing

PROGRAMS = ("dnf", "rpm", "rpmbuild", "createrepo_c")

pytestmark = [
    pytest.mark.shell,
    pytest.mark.subprocesses,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(shutil.which(name) for name in PROGRAMS),
        reason=f"needs root, to install into another root, and {', '.join(PROGRAMS)}",
    ),
]

SPEC = """
Name: {name}
Epoch: {epoch}
Version: {version}
Release: 1.amzn2023
Summary: {name}
License: none
BuildArch: noarch
%description
%files
"""

CONFIG = """
[main]
reposdir={folder}/repos
cachedir={folder}/cache
logdir={folder}/log
pluginpath={folder}/plugins
[core]
name=core
baseurl=file://{folder}/repository
gpgcheck=0
"""


def build(folder: Path, name: str, version: str, epoch: int = 0) -> None:
    spec = folder / f"{name}.spec"
    spec.write_text(SPEC.format(name=name, version=version, epoch=epoch))
    macros = ("--define", f"_topdir {folder}/build", "--define", f"_rpmdir {folder}/repository")
    subprocess.run(("rpmbuild", "-bb", "--quiet", *macros, spec), check=True, capture_output=True)


@pytest.fixture(scope="module")
def prelude(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Put dnf and rpm first on PATH that work on a root of the test."""
    folder = tmp_path_factory.mktemp("dnf")
    for version in ("1.6", "1.7"):
        build(folder, "jq", version)
    build(folder, "tree", "2.0")
    for version in ("580.159.03", "595.91.07"):
        build(folder, "nvidia-driver", version, epoch=3)
    subprocess.run(("createrepo_c", "-q", folder / "repository"), check=True)
    (folder / "dnf.conf").write_text(CONFIG.format(folder=folder))
    programs = folder / "bin"
    programs.mkdir()
    root = f"{folder}/root"
    for name, options in {
        "dnf": f"-c {folder}/dnf.conf --installroot={root} --releasever=2023",
        "rpm": f"--root {root}",
    }.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {shutil.which(name)} {options} "$@"\n')
        (programs / name).chmod(0o755)
    return f"PATH={programs}:$PATH"


def holds(resource: Resource, prelude: str, *keys: str) -> None:
    planned = ask(resource, prelude=prelude)
    assert differing(planned) == set(keys)
    converge(planned, prelude=prelude)
    assert ask(resource, prelude=prelude).as_wanted


@pytest.mark.timeout(300)
def test_law_with_the_real_programs(prelude: str) -> None:
    holds(Packages({"nvidia-driver": "595.91.07", "jq": "1.6", "tree": ""}), prelude, "nvidia-driver", "jq", "tree")
    holds(Packages({"nvidia-driver": "3:580.159.03"}), prelude, "nvidia-driver")
    holds(Packages(("tree",), present=False), prelude, "tree")
    holds(Packages(("jq", "tree"), latest=True), prelude, "jq", "tree")
    planned = ask(Updates(), prelude=prelude)
    assert [difference.actual for difference in planned.differences] == [("nvidia-driver 3:595.91.07-1.amzn2023",)]
    holds(Updates(exclude=("nvidia*",)), prelude)
    holds(Updates(), prelude, "pending")
