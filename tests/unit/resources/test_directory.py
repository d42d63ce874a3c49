from __future__ import annotations

import os
from pathlib import Path

import pytest

from amiforge.errors import RecipeError
from amiforge.resources.directory import Directory
from tests.realshell import SYSTEM, ask, converge, differing


@pytest.mark.parametrize(
    ("resource", "keys", "expected"),
    [
        (
            Directory("/a/b", mode="1777"),
            ["type", "owner", "group", "mode"],
            ["install -d -o root -g root -m 1777 -- /a/b"],
        ),
        (Directory("/a/b", mode="0700"), ["mode"], ["chmod -- 0700 /a/b"]),
        (Directory("/a/b", group="video"), ["group"], ["chown -- root:video /a/b"]),
        (Directory("/a/b", present=False), ["type"], ["rm -rf -- /a/b"]),
    ],
)
def test_commands(resource: Directory, keys: list[str], expected: list[str]) -> None:
    assert [str(change.command) for change in resource.changes(frozenset(keys), SYSTEM)] == expected


@pytest.mark.parametrize("path", ["/", "/etc", "/usr", "/usr/lib", "/var/lib"])
def test_a_directory_of_the_operating_system_is_never_removed(path: str) -> None:
    with pytest.raises(RecipeError, match="cannot be removed as a whole"):
        Directory(path, present=False)


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.skipif(os.geteuid() != 0, reason="gives directories to other users, which takes root")
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_idempotence_drift_and_removal(tmp_path: Path, shell: str) -> None:
    path = tmp_path / "-new" / "a b"
    resource = Directory(str(path), owner="nobody", mode="2770")
    converge(ask(resource, shell=shell), shell)
    assert ask(resource, shell=shell).as_wanted
    path.chmod(0o755)
    assert differing(ask(resource, shell=shell)) == {"mode"}
    converge(ask(resource, shell=shell), shell)
    os.chown(path, 0, -1)
    path.chmod(0o2770)
    assert differing(ask(resource, shell=shell)) == {"owner"}
    converge(ask(resource, shell=shell), shell)
    assert ask(resource, shell=shell).as_wanted
    (path / "sub").mkdir()
    gone = Directory(str(path), present=False)
    converge(ask(gone, shell=shell), shell)
    assert ask(gone, shell=shell).as_wanted
