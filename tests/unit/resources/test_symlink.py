from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.errors import RecipeError
from amiforge.resources.symlink import Symlink
from tests.realshell import SYSTEM, ask, converge, differing, run


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (Symlink("/usr/local/cuda", "cuda-13.0"), ("/usr/local/cuda", "cuda-13.0")),
        (Symlink("/usr/local/cuda", present=False), ("rm", "-f", "--", "/usr/local/cuda")),
    ],
)
def test_commands(resource: Symlink, expected: tuple[str, ...]) -> None:
    (change,) = resource.changes(frozenset({"type"}), SYSTEM)
    assert change.command.args == expected


def test_a_target_is_given_exactly_when_there_is_to_be_a_link() -> None:
    with pytest.raises(RecipeError, match="needs a target"):
        Symlink("/a")
    with pytest.raises(RecipeError, match="needs no target"):
        Symlink("/a", "b", present=False)
    with pytest.raises(RecipeError, match="is no target"):
        Symlink("/a", "b\nc")


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("target", ["cuda-13.0", "-s", "/no/such  place", "é"])
def test_idempotence_drift_and_removal(tmp_path: Path, shell: str, target: str) -> None:
    (tmp_path / "directory").mkdir()
    path = tmp_path / "new" / "-link"
    resource = Symlink(str(path), target)
    converge(ask(resource, shell=shell), shell)
    assert ask(resource, shell=shell).as_wanted
    path.unlink()
    path.symlink_to(tmp_path / "directory")
    assert differing(ask(resource, shell=shell)) == {"target"}
    converge(ask(resource, shell=shell), shell)
    assert ask(resource, shell=shell).as_wanted
    assert path.readlink() == Path(target)
    assert list((tmp_path / "directory").iterdir()) == []
    gone = Symlink(str(path), present=False)
    converge(ask(gone, shell=shell), shell)
    assert ask(gone, shell=shell).as_wanted


@pytest.mark.shell
@pytest.mark.subprocesses
def test_a_directory_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "link").mkdir()
    (change,) = ask(Symlink(str(tmp_path / "link"), "x")).changes
    assert run(change).status != 0
    assert [entry.name for entry in tmp_path.rglob("*")] == ["link"]
