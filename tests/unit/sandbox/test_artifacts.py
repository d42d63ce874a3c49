"""Downloads are what their vendors' are on the outside, and the same bytes every time."""

from __future__ import annotations

import base64
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from amiforge.errors import ConfigError
from amiforge.sandbox.artifacts import Artifact, document
from amiforge.sandbox.catalog import read_catalog

MIRROR = "http://127.0.0.1:8080"
RUN, CLI, EFA = (
    next(artifact for artifact in read_catalog().artifacts if artifact.path.startswith(host))
    for host in ("us.download.nvidia.com", "awscli.", "efa-installer.")
)


def make(kind: str, **fields: object) -> Artifact:
    return Artifact.model_validate({"kind": kind, "path": "host.example/a-@VERSION@", "versions": ["1"], **fields})


def test_the_run_file_has_both_module_flavours_and_a_notice_behind_its_script() -> None:
    script, _, payload = document(RUN, "580.159.03", MIRROR, {}).partition(b"\n__PAYLOAD__\n")
    assert script.startswith(b"#!/bin/sh\n")
    with tarfile.open(fileobj=io.BytesIO(base64.decodebytes(payload))) as archive:
        names = archive.getnames()
        module = archive.extractfile("kernel-open/nvidia.ko")
        assert module is not None
        assert b"version=580.159.03\0license=Dual MIT/GPL\0" in module.read()
    assert {"STAND-IN", "kernel/nvidia.ko", "bin/nvidia-smi"} <= set(names)


def test_the_cli_archive_has_an_executable_installer() -> None:
    with zipfile.ZipFile(io.BytesIO(document(CLI, "2.36.11", MIRROR, {}))) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        assert b"aws-cli/2.36.11 " in archive.read("aws/dist/aws")
    assert modes["aws/install"] == modes["aws/dist/aws"] == 0o755
    assert modes["aws/STAND-IN"] == 0o644


def test_an_archive_holds_packages_beside_its_files_below_its_root(tmp_path: Path) -> None:
    (tmp_path / "efa-1-1.noarch.rpm").write_bytes(b"rpm")
    artifact = make(
        "tar.gz",
        root="a-@VERSION@",
        files={"run.sh": "#!/bin/sh\n# @VERSION@ from @MIRROR@\n"},
        packages={"RPMS": ["efa-@VERSION@-1.noarch"]},
    )
    content = document(artifact, "1", MIRROR, {"efa-1-1.noarch": tmp_path / "efa-1-1.noarch.rpm"})
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        modes = {entry.name: entry.mode for entry in archive}
        script = archive.extractfile("a-1/run.sh")
        assert script is not None
        assert script.read() == f"#!/bin/sh\n# 1 from {MIRROR}\n".encode()
    assert modes == {"a-1/STAND-IN": 0o644, "a-1/run.sh": 0o755, "a-1/RPMS/efa-1-1.noarch.rpm": 0o644}


def test_a_text_and_a_package_are_served_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(b"deb")
    assert document(make("file", text="@VERSION@\n"), "1", MIRROR, {}) == b"1\n"
    assert document(make("package", package="x_@VERSION@_all"), "1", MIRROR, {"x_1_all": tmp_path / "x.deb"}) == b"deb"


def test_a_package_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"artifact host\.example/a-@VERSION@: there is no stand-in package efa-9"):
        document(make("tar.gz", packages={"RPMS": ["efa-9"]}), "1", MIRROR, {})


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"a file nothing\.sh, which is not in standins/files"):
        document(make("file", copy="nothing.sh"), "1", MIRROR, {})


@pytest.mark.parametrize(("artifact", "version"), [(RUN, "595.91.07"), (CLI, "2.36.11")])
def test_artifacts_without_signed_packages_are_the_same_bytes_every_time(artifact: Artifact, version: str) -> None:
    assert document(artifact, version, MIRROR, {}) == document(artifact, version, MIRROR, {})
