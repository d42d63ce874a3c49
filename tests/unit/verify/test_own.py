from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.ec2.source_image import SourceImage
from amiforge.engine.events import Event
from amiforge.errors import CheckFailed, ConfigError, ConnectionLost
from amiforge.host.base import Output
from amiforge.recipes.recipe import Recipe
from amiforge.verify.own import own_checks, run_tests
from amiforge.verify.subject import Subject
from tests.unit.verify.fakes import answering

FACTS = b"os amzn 2023\narch x86_64\nkernel 6.1.0\nboot_id b\nuser ec2-user\n"
RECIPE = Recipe(name="small", description="small", source=SourceImage(ami="ami-0123456789abcdef0"), tasks=())


def answer(command: str) -> Output:
    return Output(0, FACTS if "os-release" in command else b"true\n")


def written(path: Path, text: str) -> list[str]:
    file = path / f"test_{path.name}.py"
    file.write_text(f"import pytest\n{text}")
    return [str(file)]


def test_each_test_is_a_check_over_the_connection_that_is_open(tmp_path: Path) -> None:
    events: list[Event] = []
    files = written(
        tmp_path,
        """
def test_all(host, recipe, system):
    assert (host.run("x").stdout, recipe.name, system.kernel) == ("true\\n", "small", "6.1.0")
def test_skipped(host): pytest.skip("no device")
@pytest.mark.parametrize("a", ["b-c"])
def test_param(host, a): pass
""",
    )
    host = answering(answer)
    checks = own_checks(host, RECIPE, files, events.append)
    assert [(check.title, check.outcome, check.detail) for check in checks] == [
        ("test_all", "passed", ""),
        ("test_skipped", "skipped", "no device"),
        ("test_param[b-c]", "passed", ""),
    ]
    assert tuple(events) == checks
    assert {check.task for check in checks} == {Path(files[0]).stem}
    assert (host.connections, len(host.scripts)) == (1, 2)


@pytest.mark.parametrize(
    ("text", "title", "detail"),
    [
        (
            "def test_x(host): assert host.run('slurmd').stdout == 'up'",
            "test_x",
            "AssertionError: assert 'true\\n' == 'up'",
        ),
        ("@pytest.fixture\ndef it(): 1/0\ndef test_x(it): pass", "test_x", "ZeroDivisionError: division by zero"),
        ("import nowhere_to_be_found", "it can be read", "No module named 'nowhere_to_be_found'"),
    ],
)
def test_what_fails_is_named_with_its_reason(tmp_path: Path, text: str, title: str, detail: str) -> None:
    with pytest.raises(CheckFailed) as failed:
        own_checks(answering(answer), RECIPE, written(tmp_path, text))
    assert f": {title}: " in failed.value.lines["failed"]
    assert detail in failed.value.lines["failed"]


def test_settings_of_the_users_own_runs_do_not_disturb(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -n 2 --exitfirst\nfilterwarnings = error\n")
    files = written(tmp_path, "def test_x(host): pass\n")
    assert [check.outcome for check in own_checks(answering(answer), RECIPE, files)] == ["passed"]


def test_a_lost_connection_is_no_failed_check(tmp_path: Path) -> None:
    files = written(tmp_path, "def test_x(host): host.run('x')\n")
    with pytest.raises(ConnectionLost):
        own_checks(answering(answer, lose_at=frozenset({2})), RECIPE, files)


def test_of_several_hosts_each_check_says_whose_it_is_and_a_lost_one_disturbs_no_other(tmp_path: Path) -> None:
    files = written(tmp_path, "def test_x(host): host.run('x')\n")
    hosts = {"a": answering(answer), "b": answering(answer, lose_at=frozenset({2})), "c": answering(answer)}
    lost, checks = run_tests([Subject(name, host, RECIPE) for name, host in hosts.items()], files)
    assert [*lost] == ["b"]
    assert [(check.host, check.title) for check in checks] == [
        ("a", "test_x"),
        ("c", "test_x"),
    ]


@pytest.mark.parametrize(("text", "says"), [("", "no test in"), (None, "no such file")])
def test_files_without_tests_are_refused(tmp_path: Path, text: str | None, says: str) -> None:
    files = [str(tmp_path / "nowhere.py")] if text is None else written(tmp_path, text)
    with pytest.raises(ConfigError, match=says):
        own_checks(answering(answer), RECIPE, files)
