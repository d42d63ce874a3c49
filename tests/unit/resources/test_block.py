from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.errors import RecipeError
from amiforge.resources.block import Block
from tests.realshell import SYSTEM, ask, converge, differing, replies, run

BEGIN, END = "# >>> amiforge one >>>", "# <<< amiforge one <<<"


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (Block("/a", "one", "x"), ("/a", BEGIN, END, "x\n")),
        (Block("/a", "one", present=False), ("/a", BEGIN, END, "")),
        (
            Block("/a", "t w.o", "x\n", comment="//"),
            ("/a", "// >>> amiforge t w.o >>>", "// <<< amiforge t w.o <<<", "x\n"),
        ),
    ],
)
def test_commands(resource: Block, expected: tuple[str, ...]) -> None:
    (change,) = resource.changes(frozenset({"text"}), SYSTEM)
    assert change.command.args == expected


@pytest.mark.parametrize(
    ("label", "text", "comment"),
    [
        ("", "x", "#"),
        ("one\n", "x", "#"),
        ("one", "", "#"),
        ("one", "# >>> amiforge two >>>\n", "#"),
        ("one", "x", "a b"),
        ("one", "x", ""),
    ],
)
def test_what_could_not_be_found_again_is_refused(label: str, text: str, comment: str) -> None:
    with pytest.raises(RecipeError):
        Block("/a", label, text, comment)


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("shell", ["sh", "bash"])
class TestOnAShell:
    def test_three_blocks_in_one_file_all_survive(self, tmp_path: Path, shell: str) -> None:
        path = tmp_path / "nccl.sh"
        path.write_text("# mine\n")
        blocks = [Block(str(path), label, f"export {label}=1") for label in ("LIB", "FI", "NCCL")]
        for block in blocks:
            converge(ask(block, shell=shell), shell)
        answers = replies(blocks, shell=shell)
        assert all(block.actual(answers, SYSTEM) == block.desired(SYSTEM) for block in blocks)
        assert path.read_text().startswith("# mine\n")
        assert path.read_text().count("export") == 3

    def test_idempotence_and_drift(self, tmp_path: Path, shell: str) -> None:
        path = tmp_path / "-a b"
        resource = Block(str(path), "one", "x\n$(y) \\n 'z\n")
        assert differing(ask(resource, shell=shell)) == {"text"}
        converge(ask(resource, shell=shell), shell)
        assert ask(resource, shell=shell).as_wanted
        assert path.read_text() == f"{BEGIN}\nx\n$(y) \\n 'z\n{END}\n"
        path.write_text(path.read_text().replace("x\n", "w\n"))
        assert differing(ask(resource, shell=shell)) == {"text"}
        converge(ask(resource, shell=shell), shell)
        assert ask(resource, shell=shell).as_wanted

    def test_the_rest_keeps_its_bytes_owner_and_mode(self, tmp_path: Path, shell: str) -> None:
        path = tmp_path / "file"
        before, after = b"\xff\x00 \r\n\n", b"  tail\x00\xfe without end"
        path.write_bytes(before + f"{BEGIN}\nold\n{END}\n".encode() + after)
        path.chmod(0o640)
        converge(ask(Block(str(path), "one", "new"), shell=shell), shell)
        assert path.read_bytes() == before + f"{BEGIN}\nnew\n{END}\n".encode() + after
        assert path.stat().st_mode & 0o7777 == 0o640
        gone = Block(str(path), "one", present=False)
        converge(ask(gone, shell=shell), shell)
        assert ask(gone, shell=shell).as_wanted
        assert path.read_bytes() == before + after

    def test_a_last_line_without_end_is_ended_first(self, tmp_path: Path, shell: str) -> None:
        path = tmp_path / "file"
        path.write_text("last")
        converge(ask(Block(str(path), "one", "x"), shell=shell), shell)
        assert path.read_text() == f"last\n{BEGIN}\nx\n{END}\n"

    def test_a_link_stays_one(self, tmp_path: Path, shell: str) -> None:
        (tmp_path / "target").write_text("x\n")
        (tmp_path / "link").symlink_to("target")
        resource = Block(str(tmp_path / "link"), "one", "y")
        converge(ask(resource, shell=shell), shell)
        assert ask(resource, shell=shell).as_wanted
        assert (tmp_path / "link").is_symlink()

    def test_a_block_without_end_is_named_and_nothing_touched(self, tmp_path: Path, shell: str) -> None:
        path = tmp_path / "file"
        path.write_text(f"a\n{BEGIN}\nb\n")
        (change,) = ask(Block(str(path), "one", "x"), shell=shell).changes
        answer = run(change, shell)
        assert answer.status == 1
        assert b"line 2 begins a block that has no end" in answer.stderr
        assert path.read_text() == f"a\n{BEGIN}\nb\n"
