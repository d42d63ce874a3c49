from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from amiforge.bake.commit import commit


def git(folder: Path, *args: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", "-C", str(folder), *identity, *args], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "amiforge.toml").write_text("")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    git(tmp_path, "tag", "v1")
    return tmp_path


@pytest.mark.subprocesses
def test_a_commit_is_named_by_its_digits_and_by_no_tag(repository: Path) -> None:
    assert commit(repository / "images") == git(repository, "rev-parse", "HEAD")[:12]


@pytest.mark.subprocesses
def test_what_is_not_committed_shows_and_files_that_git_does_not_keep_do_not(repository: Path) -> None:
    (repository / "runs").write_text("of no matter")
    assert not commit(repository).endswith("-dirty")
    (repository / "images" / "amiforge.toml").write_text("[bake]\n")
    assert commit(repository) == git(repository, "rev-parse", "HEAD")[:12] + "-dirty"


@pytest.mark.subprocesses
def test_another_repository_in_the_environment_changes_nothing(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("other")))
    assert commit(repository) == git(repository, "--git-dir", str(repository / ".git"), "rev-parse", "HEAD")[:12]


def test_a_folder_in_no_repository_has_no_commit_and_no_program_is_asked(tmp_path: Path) -> None:
    assert commit(tmp_path) == ""


@pytest.mark.subprocesses
def test_without_git_and_before_the_first_commit_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q")
    assert commit(tmp_path) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit(tmp_path) == ""
