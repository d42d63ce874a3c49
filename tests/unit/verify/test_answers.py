from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from amiforge.ec2.source_image import SourceImage
from amiforge.engine.resource import Resource
from amiforge.errors import CommandTimedOut
from amiforge.host.base import Output
from amiforge.host.local import LocalHost
from amiforge.recipes.recipe import Recipe
from amiforge.systems import identify
from amiforge.systems.system import System
from amiforge.tasks.task import Check, Task
from amiforge.verify import answers
from amiforge.verify.answers import Answers, Unanswered
from amiforge.verify.check import outcomes
from tests.unit.verify.fakes import answering, commands

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

SYSTEM = System(identify("amzn", "2023"))


def echo(command: str) -> Output:
    return Output(0, command.encode())


def recipe(found: Callable[[TestinfraHost], object]) -> Recipe:
    class Asking(Task):
        """Asks."""

        def resources(self, system: System) -> Iterator[Resource]:
            return iter(())

        def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
            for name in host.check_output("list").split():
                yield Check(f"{name} is right", True, lambda: found(host))

    source = SourceImage(ami="ami-0123456789abcdef0")
    return Recipe(name="asking", description="asks", source=source, tasks=(Asking(),))


def test_a_round_asks_what_follows_from_the_answers_of_the_one_before() -> None:
    host = answering(lambda command: Output(0, b"then") if command == "which" else echo(command))
    [check] = outcomes(recipe(lambda it: it.check_output(it.check_output("which")) == "then"), host, SYSTEM)
    assert check.outcome == "passed"
    assert [commands(script) for script in host.scripts] == [["list"], ["which"], ["then"]]


def test_an_exception_handler_of_a_check_does_not_swallow_the_missing_answer() -> None:
    def careful(through: TestinfraHost) -> bool:
        try:
            return bool(through.check_output("a") == "a")
        except Exception:  # noqa: BLE001 - as people write
            return False

    assert [check.outcome for check in outcomes(recipe(careful), answering(echo), SYSTEM)] == ["passed"]


def test_a_check_that_waits_for_a_change_sees_it() -> None:
    said = iter(["starting", "starting", "active"])

    def active(through: TestinfraHost) -> bool:
        return any(through.run("is-active").stdout == "active" for _ in range(5))

    host = answering(lambda command: Output(0, next(said).encode()) if command == "is-active" else echo(command))
    assert [check.outcome for check in outcomes(recipe(active), host, SYSTEM)] == ["passed"]


def test_what_an_answer_cost_counts_for_the_checks_that_use_it() -> None:
    [check] = outcomes(recipe(lambda through: through.check_output("a") == "a"), answering(echo), SYSTEM)
    assert check.seconds == pytest.approx(1.5, abs=0.1)


def ask(asked: Answers, command: str) -> Output:
    asked.begin()
    with pytest.raises(Unanswered):
        asked.through().run(command)
    asked.fetch()
    result = asked.through().run(command)
    return Output(result.rc, result.stdout_bytes, result.stderr_bytes)


@pytest.mark.subprocesses
@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("exit 3", Output(3)),
        ("printf 'a\\n\\n'; echo no >&2", Output(0, b"a\n\n", b"no\n")),
        ("printf '\\377'", Output(0, b"\xff")),
        ('echo "it\'s" $0', Output(0, b"it's sh\n")),
        ("if", Output(2, b"", b'sh: 1: Syntax error: end of file unexpected (expecting "then")\n')),
        ("exit 124", Output(124)),
        ("cat", Output(0)),
    ],
)
def test_a_real_shell_says_the_same_in_a_round_as_alone(
    command: str, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    found = ask(Answers(LocalHost()), command)
    assert (found.status, found.stdout) == (output.status, output.stdout)
    assert bool(found.stderr) == bool(output.stderr)


@pytest.mark.subprocesses
def test_what_hangs_is_ended_and_the_rest_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(answers, "TIMEOUT", 1.1)
    asked, started = Answers(LocalHost()), time.monotonic()
    for command in ("sleep 60", "echo on"):
        with pytest.raises(Unanswered):
            asked.through().run(command)
    asked.fetch()
    assert time.monotonic() - started < 30
    assert asked.through().run("echo on").stdout == "on\n"
    with pytest.raises(CommandTimedOut, match=r"no end within 1\.1 s"):
        asked.through().run("sleep 60")
