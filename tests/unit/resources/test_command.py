from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.engine.frame import ask as part
from amiforge.engine.query import Answer, merge, read
from amiforge.errors import FactUnreadable
from amiforge.resources.command import Run, RunAlways
from amiforge.resources.observation import OBSERVATIONS, observe
from amiforge.shell import argv, script
from tests.realshell import SYSTEM, ask, converge, differing, sh


def test_both_sorts_run_their_command() -> None:
    for resource in (Run("do it", argv("do", "-it"), proof="true"), RunAlways("do it", argv("do", "-it"))):
        (change,) = resource.changes(frozenset(), SYSTEM)
        assert (change.summary, str(change.command), change.job) == ("do it", "do -it", True)


def test_only_a_proof_makes_a_command_provable() -> None:
    assert Run("x", argv("true"), proof="true").provable
    assert not RunAlways("x", argv("true")).provable


@pytest.mark.parametrize("stdout", [b"", b"0 eA==\n0 eA==\n", b"x eA==\n", b"0 ?\n", b"\n", b"0 e\n"])
def test_an_answer_that_makes_no_sense_is_unreadable(stdout: bytes) -> None:
    with pytest.raises(FactUnreadable):
        OBSERVATIONS.parse(Answer(0, stdout, b""), ["true"])


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("shell", ["sh", "bash"])
class TestOnAShell:
    def test_idempotence_and_drift(self, tmp_path: Path, shell: str) -> None:
        path = str(tmp_path / "it's $HOME")
        resource = Run("make it", argv("mkdir", "--", path), proof=argv("test", "-d", path))
        converge(ask(resource, shell=shell), shell)
        assert ask(resource, shell=shell).as_wanted
        Path(path).rmdir()
        assert differing(ask(resource, shell=shell)) == {"done"}
        converge(ask(resource, shell=shell), shell)
        assert ask(resource, shell=shell).as_wanted

    def test_an_observation_harms_no_other_one(self, shell: str) -> None:
        texts = ("exit 3", "exec echo gone", "cat", "printf '0 eA==\\n\\n x \\n\\n'", "set -eu; false")
        queries = [*map(observe, texts), observe(script('printf %s "$2" "$1"', "a b", "*"))]
        (question,) = merge(queries)
        answers = read([question], [sh(part(question, 10).text, shell)])
        assert [answers[query].status for query in queries] == [3, 0, 0, 0, 1, 0]
        assert [answers[query].text for query in queries] == ["", "gone", "", "0 eA==\n\n x ", "", "*a b"]

    def test_without_a_proof_it_runs_every_time(self, tmp_path: Path, shell: str) -> None:
        resource = RunAlways("count", script('echo x >>"$1"', str(tmp_path / "count")))
        converge(ask(resource, shell=shell), shell)
        converge(ask(resource, shell=shell), shell)
        assert (tmp_path / "count").read_text() == "x\nx\n"
