from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from amiforge.engine.query import Answer, Replies
from amiforge.engine.resource import Unknown
from amiforge.errors import FactUnreadable, RecipeError
from amiforge.resources.git_checkout import CHECKOUTS, CheckoutState, GitCheckout
from tests.realshell import SYSTEM, ask, converge, differing, run

URL = "https://github.example/owner/name.git"


def test_command() -> None:
    mirrored = replace(SYSTEM, mirror="https://mirror.example/m")
    (change,) = GitCheckout(URL, "v1.0", "/usr/src/x").changes(frozenset({"ref"}), mirrored)
    assert change.job
    assert change.command.args == ("https://mirror.example/m/github.example/owner/name.git", "v1.0", "/usr/src/x")


@pytest.mark.parametrize("ref", ["", "-f", "a b", "a..b", "x.lock", "a:b", "+x"])
def test_what_is_no_ref_is_refused(ref: str) -> None:
    with pytest.raises(RecipeError):
        GitCheckout(URL, ref, "/usr/src/x")


@pytest.mark.parametrize("url", ["", "git@host:x", "--upload-pack=x", "ext::sh -c x", "https://host"])
def test_what_is_no_repository_is_refused(url: str) -> None:
    with pytest.raises(RecipeError):
        GitCheckout(url, "main", "/usr/src/x")


def test_a_full_commit_is_compared_with_what_is_there() -> None:
    commit = "0123456789" * 4
    resource = GitCheckout(URL, commit, "/usr/src/x")
    (query,) = resource.queries(SYSTEM)
    assert resource.actual(Replies({query: CheckoutState(True, commit)}), SYSTEM) == resource.desired(SYSTEM)


def test_without_git_the_state_is_unknown() -> None:
    resource = GitCheckout(URL, "v1", "/usr/src/x")
    (query,) = resource.queries(SYSTEM)
    states = CHECKOUTS.parse(Answer(0, b"nogit\n", b""), [query.item])
    with pytest.raises(Unknown, match="git is not installed"):
        resource.actual(Replies({query: states[query.item]}), SYSTEM)


@pytest.mark.parametrize("stdout", [b"", b"a b\n", b"a b c\na b c\n"])
def test_an_answer_that_makes_no_sense_is_unreadable(stdout: bytes) -> None:
    with pytest.raises(FactUnreadable):
        CHECKOUTS.parse(Answer(0, stdout, b""), ["/x\tv1"])


def git(*words: str, at: Path) -> str:
    names = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    names |= {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return subprocess.run(
        ["git", *words], cwd=at, env=os.environ | names, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    path = tmp_path / "origin" / "github.example" / "owner" / "name.git"
    path.mkdir(parents=True)
    git("init", "-q", "-b", "main", at=path)
    for version in ("v1", "v2"):
        (path / "file").write_text(version)
        git("add", "file", at=path)
        git("commit", "-q", "-m", version, at=path)
        git("tag", version, at=path)
    return path


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_idempotence_drift_and_another_ref(tmp_path: Path, origin: Path, shell: str) -> None:
    system = replace(SYSTEM, mirror=f"file://{tmp_path}/origin")
    path = tmp_path / "a b"
    resource = GitCheckout(URL, "v1", str(path))
    first = ask(resource, system, shell)
    assert differing(first) == {"ref"}
    converge(first, shell)
    assert ask(resource, system, shell).as_wanted
    assert (path / "file").read_text() == "v1"
    (path / "built").write_text("not git's")
    assert ask(resource, system, shell).as_wanted
    (path / "file").write_text("changed")
    assert differing(ask(resource, system, shell)) == {"modified"}
    converge(ask(resource, system, shell), shell)
    assert ask(resource, system, shell).as_wanted
    for ref in ("v2", git("rev-parse", "v1", at=origin), "main"):
        other = GitCheckout(URL, ref, str(path))
        assert differing(ask(other, system, shell)) == {"ref"}
        converge(ask(other, system, shell), shell)
        assert ask(other, system, shell).as_wanted
        assert git("rev-parse", "HEAD", at=path) == git("rev-parse", f"{ref}^{{commit}}", at=origin)


@pytest.mark.shell
@pytest.mark.subprocesses
def test_a_ref_that_is_not_there_fails_and_says_so(tmp_path: Path, origin: Path) -> None:
    system = replace(SYSTEM, mirror=f"file://{tmp_path}/origin")
    assert origin.exists()
    (change,) = ask(GitCheckout(URL, "v9", str(tmp_path / "x")), system).changes
    answer = run(change)
    assert answer.status == 1
    assert b"has no v9" in answer.stderr
