"""The NCCL plugin for EFA: the bundled one is looked for, another one is built."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.engine.resource import Resource
from amiforge.errors import RecipeError
from amiforge.resources import Run, VendorInstall
from amiforge.shell import Command
from amiforge.systems import by_name
from amiforge.systems.system import System
from amiforge.tasks.aws_ofi_nccl import _VERSION, AwsOfiNccl


def resources(name: str, version: str = "") -> list[Resource]:
    return [item.resource for item in lay_out([AwsOfiNccl(version=version)], System(os=by_name(name)))]


def find(found: list[Resource]) -> Run:
    [run] = [each for each in found if isinstance(each, Run)]
    return run


def test_nothing_is_built_unless_a_version_is_asked_for() -> None:
    assert not [each for each in resources("al2023") if isinstance(each, VendorInstall)]
    assert find(resources("al2023")).what == "find the NCCL plugin that the EFA installer brings"


@pytest.mark.shell
@pytest.mark.parametrize("folder", ["lib64", "lib/x86_64-linux-gnu", "lib"])
def test_the_bundled_plugin_is_found_wherever_an_installer_puts_it(folder: str, tmp_path: Path) -> None:
    run = find(resources("al2023"))
    assert isinstance(run.proof, Command)
    proof = ["sh", "-c", run.proof.script, "sh", str(tmp_path)]
    assert subprocess.run(proof, check=False).returncode != 0
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "libnccl-net-ofi.so").touch()
    assert subprocess.run(proof, check=False).returncode == 0


@pytest.mark.shell
def test_where_it_is_missing_the_error_says_what_to_do() -> None:
    done = subprocess.run(
        ["sh", "-c", find(resources("al2023")).command.script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "aws_efa.minimal=false" in done.stderr


def test_a_release_is_configured_as_its_documentation_says() -> None:
    [build] = [each for each in resources("ubuntu2404", "1.21.1") if isinstance(each, VendorInstall)]
    assert build.install.args == (
        "/var/cache/amiforge/aws-ofi-nccl/tree",
        "/opt/aws-ofi-nccl",
        "/opt/amazon/efa",
        "/usr/local/cuda",
        "1.21.1",
    )
    assert "--enable-platform-aws --disable-tests" in build.install.script.replace("\\\n  ", "")
    assert "with-nccl" not in build.install.script


def test_amazon_linux_2_has_no_compiler_for_it() -> None:
    with pytest.raises(RecipeError, match="compiler is older than C"):
        resources("amzn2", "1.21.1")


@pytest.mark.parametrize("version", ["1.9.2-aws", "1.13.2", "main", "v1.21.1"])
def test_releases_of_the_old_naming_are_refused(version: str) -> None:
    with pytest.raises(ValidationError):
        AwsOfiNccl(version=version)


@pytest.mark.shell
def test_the_plugin_says_its_version(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libnccl-net-ofi.so").write_bytes(b"\x00\x7fNET/OFI Initializing aws-ofi-nccl 1.21.1\x00\x00")
    done = subprocess.run(["sh", "-c", _VERSION, "sh", str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "aws-ofi-nccl 1.21.1\n"
