from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.resources import Artifact, VendorInstall
from amiforge.systems import SYSTEMS, by_name
from amiforge.systems.os import Os
from amiforge.systems.system import Arch, System
from amiforge.tasks import aws_cli
from amiforge.tasks.aws_cli import AwsCli


def install(task: AwsCli, os: str = "al2023", arch: Arch = "x86_64") -> VendorInstall:
    resources = [item.resource for item in lay_out([task], System(os=by_name(os), arch=arch))]
    [found] = [resource for resource in resources if isinstance(resource, VendorInstall)]
    return found


def download(task: AwsCli, arch: Arch = "x86_64") -> Artifact:
    [found] = [source for source in install(task, arch=arch).sources if isinstance(source, Artifact)]
    return found


@pytest.mark.parametrize("os", SYSTEMS, ids=lambda os: os.name)
def test_it_is_one_installer_for_every_system(os: Os) -> None:
    assert install(AwsCli(), os.name) == install(AwsCli())


def test_a_download_of_known_content_carries_its_digest() -> None:
    assert len(download(AwsCli()).sha256) == 64
    assert download(AwsCli()).signature is None


@pytest.mark.parametrize(("version", "arch"), [("2.33.5", "x86_64"), ("2.36.11", "aarch64")])
def test_any_other_download_must_be_signed_by_aws(version: str, arch: Arch) -> None:
    found = download(AwsCli(version=version), arch)
    assert found.url == f"https://awscli.amazonaws.com/awscli-exe-linux-{arch}-{version}.zip"
    assert found.signature is not None
    assert found.signature.url == f"{found.url}.sig"
    assert found.signature.key_fingerprint == "FB5DB77FD5C118B80511ADA8A6310ACC4672475C"


@pytest.mark.parametrize("version", ["1.44.0", "2", "latest", "2.36.11; true", ""])
def test_a_version_is_an_exact_one_of_version_2(version: str) -> None:
    with pytest.raises(ValidationError):
        AwsCli(version=version)


def test_software_says_the_version_and_whose_option_it_is() -> None:
    [line] = AwsCli(version="2.33.5").software(System(os=by_name("al2023")))
    assert (line.version, line.source, line.option) == ("2.33.5", "awscli.amazonaws.com", "version")


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize(
    ("installer", "left"), [("mkdir v2/2.36.11", ["2.36.11", "current"]), ("false", ["2.33.5", "current"])]
)
def test_a_version_is_installed_anew_and_earlier_ones_go_once_it_is_there(
    tmp_path: Path, installer: str, left: list[str]
) -> None:
    trees = tmp_path / "v2"
    for version in ("2.33.5", "2.36.11"):
        (trees / version).mkdir(parents=True)
    (trees / "current").symlink_to(trees / "2.36.11")
    (tmp_path / "aws").mkdir()
    (tmp_path / "aws/install").write_text(f"#!/bin/sh\n{installer}\n")
    (tmp_path / "aws/install").chmod(0o755)
    text = aws_cli._INSTALL.replace("/usr/local/aws-cli/v2", str(trees))
    done: Any = subprocess.run(["sh", "-c", text, "sh", str(tmp_path), "2.36.11"], cwd=tmp_path, check=False)
    assert (done.returncode == 0) is (installer != "false")
    assert sorted(path.name for path in trees.iterdir()) == left
