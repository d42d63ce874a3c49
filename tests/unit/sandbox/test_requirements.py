from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from amiforge.errors import SandboxUnavailable
from amiforge.sandbox import cgroups, requirements
from amiforge.sandbox.folder import Folder


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user's laptop: not root, two programs, the keyring and moto not installed."""
    monkeypatch.setattr(requirements, "KEYRING", Path("/nowhere"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(requirements, "find_spec", lambda _: None)
    absent = {"systemd-nspawn", "mmdebstrap"}
    monkeypatch.setattr(shutil, "which", lambda name: None if name in absent else f"/usr/bin/{name}")


@pytest.mark.usefixtures("lacking")
def test_everything_missing_is_named_at_once(tmp_path: Path) -> None:
    assert requirements.missing_requirements(Folder(tmp_path)) == [
        "the program systemd-nspawn",
        "the program mmdebstrap",
        "the keys of Debian's archive",
        "the Python package moto",
        "root: machines need namespaces and mounts",
    ]


@pytest.mark.usefixtures("lacking")
def test_message_has_the_exact_commands_and_says_what_works_without(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable) as caught:
        requirements.require(Folder(tmp_path))
    block = caught.value.block()
    assert "sudo apt-get update && sudo apt-get install -y debian-archive-keyring mmdebstrap systemd-container" in block
    assert "pip install 'amiforge[sandbox]'" in block
    assert "amiforge plan" in block
    assert caught.value.exit_status == 2


@pytest.mark.subprocesses
def test_file_system_that_overlayfs_cannot_use_is_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(requirements, "KEYRING", tmp_path)
    monkeypatch.setattr(cgroups, "hierarchies", lambda: [tmp_path])
    # Fails as mount(8) does.
    monkeypatch.setattr(requirements, "PRIVATE", ("sh", "-c", "echo wrong fs type >&2; exit 32"))
    (only,) = requirements.missing_requirements(Folder(tmp_path / "sandbox"))
    assert str(tmp_path / "sandbox") in only
    assert "AMIFORGE_SANDBOX" in only
    assert "wrong fs type" in only
    assert not list((tmp_path / "sandbox").iterdir())


def test_folder_below_run_is_refused_and_not_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(requirements, "KEYRING", tmp_path)
    monkeypatch.setattr(cgroups, "hierarchies", lambda: [tmp_path])
    (only,) = requirements.missing_requirements(Folder(Path("/run/amiforge-test")))
    assert "outside /run" in only
    assert not Path("/run/amiforge-test").exists()
