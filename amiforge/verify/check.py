"""One check, put to a host."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from amiforge.engine.discretion import masked
from amiforge.engine.events import CheckFinished
from amiforge.errors import HostError
from amiforge.host.base import Host
from amiforge.recipes.recipe import Recipe
from amiforge.redaction import Redaction, secrets_in
from amiforge.systems.facts import FACTS, parse
from amiforge.systems.system import System
from amiforge.tasks.task import Check
from amiforge.verify.answers import Answers, Unanswered

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

_FACTS_TIMEOUT = 60.0
_Verdict = tuple[Literal["passed", "failed", "skipped"], str]


@dataclass(frozen=True, slots=True)
class Stated:
    """A check, and the task that states it."""

    task: str
    check: Check
    redaction: Redaction

    def test(self, system: System) -> CheckFinished:
        """Find out whether it is true.

        Raises:
            HostError: the host could not be asked, which says nothing about the check.
        """
        started = time.monotonic()
        outcome, detail = _verdict(self.check, system)
        seconds = round(time.monotonic() - started, 3)
        event = CheckFinished(task=self.task, title=self.check.title, outcome=outcome, detail=detail, seconds=seconds)
        return masked(event, self.redaction)


def stated_by(recipe: Recipe, through: TestinfraHost, system: System) -> Iterator[Stated]:
    """Give every check of every task, in order; when tested, each asks the host."""
    redaction = Redaction(secrets_in(recipe))
    for task in recipe.tasks:
        for check in task.checks(through, system):
            yield Stated(task.name(), check, redaction)


def outcomes(recipe: Recipe, host: Host, system: System) -> Iterator[CheckFinished]:
    """Test every check of every task, and give what came of each, in order. All are asked together: see `Answers`.

    Raises:
        HostError: the host could not be asked.
    """
    answers = Answers(host)
    checks = _stated(recipe, answers, system)
    tested: dict[int, CheckFinished] = {}
    given = 0
    while given < len(checks):
        for number in [number for number in range(len(checks)) if number not in tested]:
            answers.begin()
            try:
                finished = checks[number].test(system)
            except Unanswered:
                continue
            tested[number] = replace(finished, seconds=round(finished.seconds + answers.seconds, 3))
        while given in tested:
            yield replace(tested[given], at=time.time())
            given += 1
        if given < len(checks):
            answers.fetch()


def read_system(host: Host) -> System:
    """Ask a connected host for its facts.

    Raises:
        FactUnreadable: the answer makes no sense.
        ConfigError: its operating system is none of ours.
    """
    return parse(host.run(FACTS, timeout=_FACTS_TIMEOUT).stdout)


def _stated(recipe: Recipe, answers: Answers, system: System) -> list[Stated]:
    """Give all checks; a task that asks the host already for stating them is asked again when there is an answer."""
    while True:
        answers.begin()
        try:
            return [*stated_by(recipe, answers.through(), system)]
        except Unanswered:
            answers.fetch()


def _verdict(check: Check, system: System) -> _Verdict:
    if check.device and not system.has_pci(check.device):
        return "skipped", f"no device of PCI vendor {check.device} here"
    try:
        found = check.found()
    except HostError:
        raise
    except Exception as error:  # noqa: BLE001 - a check is anybody's code, and whatever goes wrong in it is its reason
        # Under pytest, an assertion's message is followed by pytest's explanation of our own code.
        return "failed", str(error).partition("\nassert ")[0] or type(error).__name__
    return ("passed", "") if found == check.expected else ("failed", f"expected {check.expected!r}, found {found!r}")
