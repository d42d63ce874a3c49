from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.sandbox.folder import Folder


def test_default_folder_is_below_var_lib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMIFORGE_SANDBOX", raising=False)
    assert Folder.default().path == Path("/var/lib/amiforge/sandbox")


def test_environment_moves_the_folder_and_a_relative_path_becomes_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMIFORGE_SANDBOX", "here")
    assert Folder.default().path == tmp_path / "here"


def test_every_path_lies_below_the_folder() -> None:
    folder = Folder(Path("/sandbox"))
    paths = [
        folder.roots,
        folder.images,
        folder.machines,
        folder.mirror,
        folder.run,
        folder.server_json,
        folder.image("ami-1"),
        folder.layer("ami-1"),
        folder.machine("i-1"),
        folder.pid_file("i-1"),
    ]
    assert all(path.is_relative_to(folder.path) for path in paths)
    assert len(set(paths)) == len(paths)
