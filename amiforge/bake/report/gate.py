"""What the checks of an image said, pass by pass: at its first boot, after a reboot, and when another process asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from amiforge.engine.events import CheckFinished, Event, RebootFinished, StepStarted

#: How the titles of the second pass begin.
_AGAIN = "after a reboot: "
_RANK = {"failed": 0, "skipped": 1, "passed": 2}


@dataclass(slots=True)
class Statement:
    """One statement about an image; what each pass found by the pass's number, and why."""

    task: str
    title: str
    found: dict[int, CheckFinished] = field(default_factory=dict)

    @property
    def worst(self) -> str:
        """The worst that any pass found."""
        return min((check.outcome for check in self.found.values()), key=_RANK.__getitem__)

    @property
    def reason(self) -> str:
        """Why it is not simply true."""
        return next((check.detail for check in self.found.values() if check.outcome == self.worst), "")


class Gate:
    """All passes by their names, in order, and all statements. `hear` is a listener."""

    def __init__(self) -> None:
        self.passes: list[str] = []
        self.statements: dict[tuple[str, str], Statement] = {}
        self._step = ""
        self._again = False

    @classmethod
    def of(cls, heard: Iterable[Event]) -> Gate:
        """Give what events tell of the checks."""
        gate = cls()
        for event in heard:
            gate.hear(event)
        return gate

    def hear(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case StepStarted(step=step):
                self._step, self._again = step, False
            case RebootFinished():
                self._again = True
            case CheckFinished():
                self._take(event)
            case _:
                pass

    def _take(self, check: CheckFinished) -> None:
        title = check.title.removeprefix(_AGAIN)
        name = f"{self._step}, after a reboot" if self._again or title != check.title else self._step
        if name not in self.passes:
            self.passes.append(name)
        statement = self.statements.setdefault((check.task, title), Statement(check.task, title))
        statement.found[self.passes.index(name)] = check

    def of_outcome(self, outcome: str) -> list[Statement]:
        """Give the statements of which this is the worst outcome."""
        return [each for each in self.statements.values() if each.worst == outcome]

    def skipped(self) -> dict[str, list[Statement]]:
        """Give what was skipped, by the reason."""
        by_reason: dict[str, list[Statement]] = {}
        for each in self.of_outcome("skipped"):
            by_reason.setdefault(each.reason, []).append(each)
        return by_reason
