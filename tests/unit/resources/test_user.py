from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Iterator

import pytest

from amiforge.errors import RecipeError
from amiforge.resources.user import Group, User
from tests.realshell import SYSTEM, ask, converge, differing

USER, GROUP = "amiforge-test", "amiforge-tests"


@pytest.mark.parametrize(
    ("resource", "keys", "expected"),
    [
        (Group("docker"), ["exists"], ["groupadd -- docker"]),
        (Group("docker", system=True), ["exists"], ["groupadd -r -- docker"]),
        (User("slurm", system=True), ["exists"], ["useradd -r -- slurm"]),
        (User("x", ("a", "b")), ["exists", "groups"], ["useradd -m -- x", "usermod -a -G a,b -- x"]),
        (User("x", ("a",)), ["groups"], ["usermod -a -G a -- x"]),
    ],
)
def test_commands(resource: User | Group, keys: list[str], expected: list[str]) -> None:
    assert [str(change.command) for change in resource.changes(frozenset(keys), SYSTEM)] == expected


@pytest.mark.parametrize("name", ["", "-r", "a b", "a:b", "a,b", "0", "A" * 33])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    for make in (User, Group):
        with pytest.raises(RecipeError):
            make(name)
    with pytest.raises(RecipeError):
        User("x", (name,))


@pytest.fixture
def _no_account() -> Iterator[None]:
    yield
    subprocess.run(["userdel", "--remove", USER], check=False, capture_output=True)
    subprocess.run(["groupdel", GROUP], check=False, capture_output=True)


@pytest.mark.shell
@pytest.mark.subprocesses
def test_the_one_who_runs_this_is_known_and_nobody_else() -> None:
    assert ask(User(getpass.getuser())).as_wanted
    assert differing(ask(User("nosuchuser", ("root",)))) == {"exists", "groups"}
    assert ask(Group("root")).as_wanted
    assert differing(ask(Group("nosuchgroup"))) == {"exists"}


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.skipif(os.geteuid() != 0, reason="makes a user, which takes root")
@pytest.mark.xdist_group("accounts")
@pytest.mark.usefixtures("_no_account")
def test_idempotence_and_drift() -> None:
    group, user = Group(GROUP), User(USER, (GROUP, "daemon"), system=True)
    converge(ask(group))
    assert ask(group).as_wanted
    converge(ask(user))
    assert ask(user).as_wanted
    subprocess.run(["gpasswd", "-d", USER, GROUP], check=True, capture_output=True)
    assert differing(ask(user)) == {"groups"}
    converge(ask(user))
    assert ask(user).as_wanted
