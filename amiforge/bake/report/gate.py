"""What the checks of an image said, pass by pass: at its first boot, after a reboot, and when another process asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from amiforge.engine.events import CheckFinished, Event, RebootFinished, StepStarted

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


@dataclass(slots=True)
class Gate:
    """All passes by their names, and all statements, failed ones first."""

    passes: list[str] = field(default_factory=list)
    statements: dict[tuple[str, str], Statement] = field(default_factory=dict)

    @classmethod
    def of(cls, heard: Iterable[Event]) -> Gate:
        """Give what events tell of the checks."""
        gate, place, fresh = cls(), "", True
        for event in heard:
            if isinstance(event, StepStarted):
                place, fresh = event.step, True
            elif isinstance(event, RebootFinished):
                place, fresh = f"{place.removesuffix(', after a reboot')}, after a reboot", True
            elif isinstance(event, CheckFinished):
                if fresh:
                    gate.passes.append(place)
                fresh = False
                gate.hear(event)
        return gate

    def hear(self, check: CheckFinished) -> None:
        """Take in what the pass that goes on found."""
        key = check.task, check.title
        statement = self.statements.setdefault(key, Statement(*key))
        statement.found[len(self.passes) - 1] = check

    def of_outcome(self, outcome: str) -> list[Statement]:
        """Give the statements of which this is the worst outcome."""
        return [each for each in self.statements.values() if each.worst == outcome]

    def skipped(self) -> dict[str, list[Statement]]:
        """Give what was skipped, by the reason."""
        by_reason: dict[str, list[Statement]] = {}
        for each in self.of_outcome("skipped"):
            by_reason.setdefault(each.reason, []).append(each)
        return by_reason
