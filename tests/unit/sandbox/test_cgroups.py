from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.sandbox import cgroups


def test_version_2_has_one_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    assert cgroups.hierarchies(tmp_path) == [tmp_path]


def test_version_1_has_the_one_named_systemd_and_its_companion(tmp_path: Path) -> None:
    for name in ("systemd", "unified", "memory"):
        (tmp_path / name).mkdir()
    assert cgroups.hierarchies(tmp_path) == [tmp_path / "systemd", tmp_path / "unified"]


def test_machine_without_cgroups_has_none(tmp_path: Path) -> None:
    assert cgroups.hierarchies(tmp_path) == []


def test_remove_takes_the_tree_of_one_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cgroup.controllers").touch()
    monkeypatch.setattr(cgroups, "groups", lambda name: [tmp_path / f"amiforge-{name}"])
    (tmp_path / "amiforge-i-1/payload/system.slice/ssh.service").mkdir(parents=True)
    (tmp_path / "amiforge-i-2").mkdir()
    cgroups.remove("i-1")
    assert {path.name for path in tmp_path.iterdir()} == {"cgroup.controllers", "amiforge-i-2"}
    cgroups.remove("i-1")


def test_group_that_stays_busy_is_an_error_after_the_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "file").touch()
    monkeypatch.setattr(cgroups, "groups", lambda _: [tmp_path / "busy"])
    with pytest.raises(OSError, match="not empty"):
        cgroups.remove("i-1", timeout=0.03)
