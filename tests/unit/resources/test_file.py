from __future__ import annotations

import hashlib
import os
import subprocess
from importlib.resources import files as package_files
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amiforge.engine.query import Answer, merge
from amiforge.errors import FactUnreadable, RecipeError
from amiforge.resources import Archive, Artifact, Directory, File, KernelModule, Symlink, Sysctl
from amiforge.resources.file_state import FILES, FileState
from amiforge.shell import Secret
from tests.realshell import SYSTEM, ask, converge, differing, replies, run

DIGEST = hashlib.sha256(b"hi\n").hexdigest()

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users, which takes root")
shells = pytest.mark.parametrize("shell", ["sh", "bash"])


def commands(resource: File, *keys: str) -> list[tuple[str, ...]]:
    return [tuple(str(arg) for arg in change.command.args) for change in resource.changes(frozenset(keys), SYSTEM)]


@pytest.mark.parametrize(
    ("resource", "keys", "expected"),
    [
        (File("/a/b", "hi\n"), ["mode"], [("chmod", "--", "0644", "/a/b")]),
        (File("/a/b", "hi\n", owner="nobody"), ["owner"], [("chown", "--", "nobody:root", "/a/b")]),
        (
            File("/a/b", "hi\n", mode="4755"),
            ["group"],
            [("chown", "--", "root:root", "/a/b"), ("chmod", "--", "4755", "/a/b")],
        ),
        (File("/a/b", "hi\n"), ["content", "mode"], [("/a/b", "root:root", "0644", DIGEST, "aGkK")]),
        (File("/a/b", b"hi\n"), ["type"], [("/a/b", "root:root", "0644", DIGEST, "aGkK")]),
        (File("/a/b", present=False), ["type"], [("rm", "-f", "--", "/a/b")]),
    ],
)
def test_commands_touch_only_what_differs(resource: File, keys: list[str], expected: list[tuple[str, ...]]) -> None:
    assert commands(resource, *keys) == expected


def test_a_secret_is_in_no_rendering_of_the_resource_and_its_change() -> None:
    resource = File("/a/token", "user:${password}", values={"password": Secret("hunter2")}, mode="0600")
    (change,) = resource.changes(frozenset({"content"}), SYSTEM)
    shown = f"{resource!r} {change!r} {change.command} {change.command.args!r} {resource.desired(SYSTEM)}"
    assert "hunter2" not in shown
    assert "dXNlcjpodW50ZXIy" not in shown
    assert "dXNlcjpodW50ZXIy" in change.command.text()


def test_a_template_takes_values_and_is_equal_whatever_their_order() -> None:
    one = File("/a", "port $port on ${host}$$", values={"port": 80, "host": "x"})
    other = File("/a", "port $port on ${host}$$", values={"host": "x", "port": 80})
    assert one == other
    assert hash(one) == hash(other)
    assert one.desired(SYSTEM)["content"] == hashlib.sha256(b"port 80 on x$").hexdigest()


@pytest.mark.parametrize(
    ("text", "reason"), [("$port", "its template wants 'port'"), ("${", "its template is malformed")]
)
def test_a_template_that_cannot_be_filled_is_refused(text: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        File("/a", text, values={"host": "x"}).desired(SYSTEM)


@pytest.mark.parametrize("source", ["nosuch/file", "../errors.py", ""])
def test_a_packaged_file_that_is_not_there_is_refused(source: str) -> None:
    with pytest.raises(RecipeError):
        File("/a", source=source).desired(SYSTEM)


def test_a_packaged_file_is_what_it_says() -> None:
    text = package_files("amiforge").joinpath("files", "nvidia_driver", "has-pci").read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    assert File("/a", source="nvidia_driver/has-pci").desired(SYSTEM)["content"] == digest


def test_all_kinds_ask_about_their_paths_in_one_question() -> None:
    resources = [
        File("/a", ""),
        Directory("/b"),
        Symlink("/c", "d"),
        Artifact("https://host.example/x", "/d"),
        Archive("/d", "/e/f"),
        KernelModule("efa"),
        Sysctl("vm.swappiness", 1),
    ]
    (question,) = merge([query for resource in resources for query in resource.queries(SYSTEM)])
    assert question.items[:4] == ("/a", "/b", "/c", "/d")


@pytest.mark.parametrize("path", ["a", "", "/a/", "/a//b", "/a/../b", "/a\nb", "//"])
def test_a_path_that_is_not_absolute_and_plain_is_refused(path: str) -> None:
    with pytest.raises(RecipeError):
        File(path, "")


@pytest.mark.parametrize("mode", ["", "8", "rw-", "00644", "-644"])
def test_a_mode_that_is_none_is_refused(mode: str) -> None:
    with pytest.raises(RecipeError):
        File("/a", "", mode=mode)


@pytest.mark.parametrize("owner", ["", "-R", "a:b", "a b"])
def test_an_owner_that_is_none_is_refused(owner: str) -> None:
    with pytest.raises(RecipeError):
        File("/a", "", owner=owner)


def test_content_and_source_exclude_each_other() -> None:
    with pytest.raises(RecipeError, match="either content or source"):
        File("/a", "x", source="y")
    with pytest.raises(RecipeError, match="no content"):
        File("/a", "x", present=False)


@given(st.binary(), st.binary())
def test_any_answer_is_a_value_or_an_unreadable_fact(stdout: bytes, stderr: bytes) -> None:
    try:
        states = FILES.parse(Answer(0, stdout, stderr), ["/a"])
    except FactUnreadable:
        return
    assert "/a" in states


@pytest.mark.shell
@pytest.mark.subprocesses
class TestOnAShell:
    @needs_root
    @shells
    def test_idempotence_and_drift(self, tmp_path: Path, shell: str) -> None:
        path = tmp_path / "new" / "file"
        resource = File(str(path), "hi\n", owner="nobody", group="daemon", mode="4750")
        first = ask(resource, shell=shell)
        assert differing(first) == {"type", "content", "owner", "group", "mode"}
        converge(first, shell)
        assert ask(resource, shell=shell).as_wanted
        assert path.read_bytes() == b"hi\n"
        assert [entry.name for entry in path.parent.iterdir()] == ["file"]
        for key, command in {
            "content": "printf 'ho\\n' >",
            "owner": "chown root",
            "group": "chgrp root",
            "mode": "chmod 0600",
        }.items():
            # Writing and owning clear the setuid bit, as they do for everybody.
            subprocess.run(["sh", "-c", f'{command} "$1"', "sh", str(path)], check=True)
            if key != "mode":
                path.chmod(0o4750)
            again = ask(resource, shell=shell)
            assert differing(again) == {key}
            converge(again, shell)
            assert ask(resource, shell=shell).as_wanted

    @needs_root
    def test_a_changed_mode_does_not_write_the_content_again(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        converge(ask(File(str(path), "x")))
        before = path.stat()
        converge(ask(File(str(path), "x", mode="0600")))
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    @needs_root
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        content=st.binary(max_size=2000),
        mode=st.integers(0, 0o7777),
        name=st.text(
            st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=40
        ).filter(lambda name: name not in {".", ".."}),
        prefix=st.sampled_from(["", "-", "--help ", "\\", "a  b", "'\"$(x)"]),
    )
    def test_any_content_mode_and_name_arrives(
        self, tmp_path: Path, content: bytes, mode: int, name: str, prefix: str
    ) -> None:
        path = tmp_path / (prefix + name)
        resource = File(str(path), content, mode=f"{mode:04o}")
        converge(ask(resource))
        assert ask(resource).as_wanted
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o7777 == mode
        path.unlink()

    @needs_root
    def test_several_mebibytes_arrive(self, tmp_path: Path) -> None:
        content = bytes(range(256)) * 4096 * 4
        resource = File(str(tmp_path / "big"), content)
        converge(ask(resource))
        assert (tmp_path / "big").read_bytes() == content

    @needs_root
    def test_a_link_is_replaced_and_its_target_kept(self, tmp_path: Path) -> None:
        (tmp_path / "target").write_text("old")
        (tmp_path / "file").symlink_to("target")
        resource = File(str(tmp_path / "file"), "new")
        assert "type" in differing(ask(resource))
        converge(ask(resource))
        assert (tmp_path / "target").read_text() == "old"
        assert not (tmp_path / "file").is_symlink()

    def test_a_directory_in_its_place_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "file" / "sub").mkdir(parents=True)
        (change,) = ask(File(str(tmp_path / "file"), "x")).changes
        answer = run(change)
        assert answer.status != 0
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]

    def test_removal(self, tmp_path: Path) -> None:
        (tmp_path / "-f").write_text("x")
        resource = File(str(tmp_path / "-f"), present=False)
        converge(ask(resource))
        assert ask(resource).as_wanted

    def test_an_unknown_owner_leaves_the_old_file_and_no_other(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("old")
        (change,) = ask(File(str(tmp_path / "file"), "new", owner="nosuchuser")).changes
        answer = run(change)
        assert answer.status != 0
        assert b"nosuchuser" in answer.stderr
        assert [entry.read_text() for entry in tmp_path.iterdir()] == ["old"]

    @needs_root
    def test_a_full_file_system_is_named_and_the_old_file_stays(self, tmp_path: Path) -> None:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], check=False).returncode:
            pytest.skip("mounts a small file system, which is not allowed here")
        try:
            (tmp_path / "file").write_text("old")
            (change,) = ask(File(str(tmp_path / "file"), b"x" * 200_000)).changes
            answer = run(change)
            assert answer.status != 0
            assert b"No space left on device" in answer.stderr
            assert [entry.read_text() for entry in tmp_path.iterdir()] == ["old"]
        finally:
            subprocess.run(["umount", str(tmp_path)], check=True)

    @shells
    def test_one_batch_tells_all_sorts_of_paths_apart(self, tmp_path: Path, shell: str) -> None:
        (tmp_path / "file").write_text("hi\n")
        (tmp_path / "back\\slash").write_text("hi\n")
        (tmp_path / "link").symlink_to("some  where")
        os.mkfifo(tmp_path / "pipe")
        names = ["file", "back\\slash", "link", "pipe", "nothing", "file/below"]
        files = [File(f"{tmp_path}/{name}", "") for name in names]
        answers = replies([*files, Directory(str(tmp_path)), Symlink(f"{tmp_path}/link", "x")], shell=shell)
        states: list[FileState] = [answers[file.queries(SYSTEM)[0]] for file in files]
        assert [state.type for state in states] == ["file", "file", "link", "other", "absent", "absent"]
        assert [state.sha256 for state in states[:2]] == [DIGEST, DIGEST]
        assert states[2].target == "some  where"
        assert abs(states[0].mtime - (tmp_path / "file").stat().st_mtime) < 0.001
