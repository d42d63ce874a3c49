from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from amiforge.engine.query import Replies
from amiforge.engine.resource import Unknown
from amiforge.errors import RecipeError
from amiforge.resources.archive import Archive
from amiforge.resources.file_state import FileState
from tests.realshell import SYSTEM, ask, converge, differing, run


def tar(path: Path, **files: str) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(text)
            member.uid = 1234
            archive.addfile(member, io.BytesIO(text.encode()))


def zipped(path: Path, **files: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/"), text)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (Archive("/c/a.tar.gz", "/c/a", strip=1, creates="x"), ("/c/a.tar.gz", "/c/a", "tar", "1", "x")),
        (Archive("/c/a.zip", "/c/a"), ("/c/a.zip", "/c/a", "zip", "0", "")),
    ],
)
def test_command(resource: Archive, expected: tuple[str, ...]) -> None:
    (change,) = resource.changes(frozenset({"tree"}), SYSTEM)
    assert change.job
    assert change.command.args == expected


def test_a_directory_that_others_use_is_refused() -> None:
    with pytest.raises(RecipeError, match="/opt cannot be removed as a whole"):
        Archive("/c/a.zip", "/opt")


def test_without_its_archive_the_state_is_unknown() -> None:
    resource = Archive("/c/a.zip", "/c/a")
    nothing = {query: FileState() for query in resource.queries(SYSTEM)}
    with pytest.raises(Unknown, match=r"/c/a\.zip is not there"):
        resource.actual(Replies(nothing), SYSTEM)


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("shell", ["sh", "bash"])
class TestOnAShell:
    @pytest.mark.parametrize(("suffix", "pack"), [("tar.gz", tar), ("zip", zipped)])
    def test_idempotence_and_another_archive(self, tmp_path: Path, shell: str, suffix: str, pack: object) -> None:
        assert callable(pack)
        path, into = tmp_path / f"a: b.{suffix}", tmp_path / "new" / "in to"
        resource = Archive(str(path), str(into), strip=1, creates="install")
        pack(path, top__install="1", top__old="x")
        first = ask(resource, shell=shell)
        assert differing(first) == {"tree"}
        converge(first, shell)
        assert ask(resource, shell=shell).as_wanted
        assert (into / "install").read_text() == "1"
        assert (into.stat().st_mode & 0o7777, (into / "install").stat().st_uid) == (0o755, into.stat().st_uid)
        pack(path, top__install="2")
        assert [difference.actual for difference in ask(resource, shell=shell).differences] == ["of another archive"]
        converge(ask(resource, shell=shell), shell)
        assert ask(resource, shell=shell).as_wanted
        assert (into / "install").read_text() == "2"
        assert not (into / "old").exists()
        assert [entry.name for entry in into.parent.iterdir()] == ["in to"]
        (into / "install").unlink()
        assert [difference.actual for difference in ask(resource, shell=shell).differences] == ["incomplete"]
        converge(ask(resource, shell=shell), shell)
        assert ask(resource, shell=shell).as_wanted

    def test_a_broken_archive_leaves_the_old_tree(self, tmp_path: Path, shell: str) -> None:
        path, into = tmp_path / "a.tar", tmp_path / "into"
        resource = Archive(str(path), str(into), creates="install")
        tar(path, install="1")
        converge(ask(resource, shell=shell), shell)
        path.write_bytes(path.read_bytes()[:-40])
        (change,) = ask(resource, shell=shell).changes
        assert run(change, shell).status != 0
        tar(path, other="1")
        answer = run(change, shell)
        assert answer.status == 1
        assert b"holds no install" in answer.stderr
        assert (into / "install").read_text() == "1"
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.tar", "into"]

    def test_a_directory_of_somebody_else_is_left_alone(self, tmp_path: Path, shell: str) -> None:
        path, into = tmp_path / "a.tar", tmp_path / "into"
        into.mkdir()
        (into / "precious").write_text("x")
        tar(path, install="1")
        (change,) = ask(Archive(str(path), str(into)), shell=shell).changes
        answer = run(change, shell)
        assert answer.status == 1
        assert b"was not unpacked by amiforge" in answer.stderr
        assert (into / "precious").exists()

    def test_more_than_one_outer_directory_cannot_be_left_away(self, tmp_path: Path, shell: str) -> None:
        path = tmp_path / "a.tar"
        tar(path, one__x="1", two__x="1")
        (change,) = ask(Archive(str(path), str(tmp_path / "into"), strip=1), shell=shell).changes
        answer = run(change, shell)
        assert b"does not hold one single directory" in answer.stderr
        assert not (tmp_path / "into").exists()
