"""Installers are what their vendors' are on the outside, and the same bytes every time."""

from __future__ import annotations

import base64
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from amiforge.errors import ConfigError
from amiforge.sandbox.artifacts import EfaBundle, aws_cli, efa_installer, nvidia_run


def test_the_run_file_has_both_module_flavours_and_a_notice_behind_its_script() -> None:
    script, _, payload = nvidia_run("580.159.03").partition(b"\n__PAYLOAD__\n")
    assert script.startswith(b"#!/bin/sh\n")
    with tarfile.open(fileobj=io.BytesIO(base64.decodebytes(payload))) as archive:
        names = archive.getnames()
        module = archive.extractfile("kernel-open/nvidia.ko")
        assert module is not None
        assert b"version=580.159.03\0license=Dual MIT/GPL\0" in module.read()
    assert {"STAND-IN", "kernel/nvidia.ko", "bin/nvidia-smi"} <= set(names)


def test_the_cli_archive_has_an_executable_installer() -> None:
    with zipfile.ZipFile(io.BytesIO(aws_cli("2.36.11"))) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        assert b"aws-cli/2.36.11 " in archive.read("aws/dist/aws")
    assert modes["aws/install"] == modes["aws/dist/aws"] == 0o755
    assert modes["aws/README.md"] == 0o644


def test_the_efa_tarball_holds_its_installer_and_packages(tmp_path: Path) -> None:
    rpm = tmp_path / "efa.rpm"
    rpm.write_bytes(b"rpm")
    content = efa_installer("1.50.0", EfaBundle(minimal=("efa-1-1.noarch",), full=()), {"efa-1-1.noarch": rpm})
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        modes = {entry.name: entry.mode for entry in archive}
    assert modes["aws-efa-installer/efa_installer.sh"] == 0o755
    assert "aws-efa-installer/RPMS/efa-1-1.noarch.rpm" in modes


def test_a_bundle_with_an_unknown_package_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"EFA 1\.50\.0 carries unknown packages: efa-9-9\.noarch"):
        efa_installer("1.50.0", EfaBundle(minimal=("efa-9-9.noarch",), full=()), {})


def test_artifacts_without_signed_packages_are_the_same_bytes_every_time() -> None:
    assert nvidia_run("595.91.07") == nvidia_run("595.91.07")
    assert aws_cli("2.36.11") == aws_cli("2.36.11")
