"""What was done on the builder: every task's resources, what of them was changed, and what the commands printed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import singledispatchmethod

from amiforge.engine import events
from amiforge.engine.display import Lines
from amiforge.engine.events import Event

#: Lines of output that are kept of a resource.
_TAIL = 40
#: Characters of a value or a command that are shown.
_LONGEST = 400


@dataclass(slots=True)
class ResourceWork:
    """One resource: how it ended (`failed` when it did not), and how it came there."""

    name: str
    status: str = "failed"
    seconds: float = 0.0
    differences: dict[str, tuple[str, str]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    output: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))
    _lines: Lines = field(default_factory=Lines, repr=False)

    def print(self, text: str) -> None:
        """Take in a piece of output."""
        self.output.extend(self._lines.feed(text))


@dataclass(slots=True)
class TaskWork:
    """One task; `seconds` is what its resources took."""

    name: str
    resources: dict[str, ResourceWork] = field(default_factory=dict)

    def count(self, *statuses: str) -> int:
        """Tell how many resources ended so."""
        return sum(resource.status in statuses for resource in self.resources.values())

    @property
    def seconds(self) -> float:
        """What its resources took in all."""
        return sum(resource.seconds for resource in self.resources.values())

    @property
    def touched(self) -> list[ResourceWork]:
        """Those that were not as wanted, failed ones first."""
        return sorted(
            (each for each in self.resources.values() if each.status != "ok"), key=lambda each: each.status != "failed"
        )

    @property
    def untouched(self) -> list[str]:
        """The names of the others."""
        return [each.name for each in self.resources.values() if each.status == "ok"]


class Work:
    """Every task by name. `see` is a listener."""

    def __init__(self) -> None:
        self.tasks: dict[str, TaskWork] = {}

    @classmethod
    def of(cls, heard: Iterable[Event]) -> Work:
        """Give the work that events tell of."""
        work = cls()
        for event in heard:
            work.see(event)
        return work

    @property
    def counts(self) -> Mapping[str, int]:
        """Tell how many resources ended in which way."""
        return {
            status: sum(task.count(status) for task in self.tasks.values())
            for status in ("failed", "changed", "ran", "ok")
        }

    @property
    def last_output(self) -> tuple[str, ...]:
        """What the resource printed last that did not come to its end."""
        broken = [each for task in self.tasks.values() for each in task.touched if each.status == "failed"]
        return tuple(broken[-1].output) if broken else ()

    @singledispatchmethod
    def see(self, event: Event) -> None:
        """Take in an event; those of other kinds say nothing of it."""

    @see.register
    def _(self, event: events.TaskStarted) -> None:
        self._task(event.task)

    @see.register
    def _(self, event: events.ChangeStarted) -> None:
        resource = self._resource(event.task, event.resource)
        command = event.command if event.command == event.summary else f"{event.summary}: {event.command}"
        if (said := cut(command)) not in resource.commands:
            resource.commands.append(said)

    @see.register
    def _(self, event: events.JobOutput) -> None:
        self._resource(event.task, event.resource).print(event.text)

    @see.register
    def _(self, event: events.ResourceFinished) -> None:
        resource = self._resource(event.task, event.resource)
        resource.seconds += event.seconds
        # After a reboot everything is looked at again; what was changed before stays changed.
        if resource.status in {"failed", "ok"} or event.status != "ok":
            resource.status = event.status
        resource.differences |= {key: (cut(was), cut(now)) for key, (was, now) in event.differences.items()}

    def _task(self, name: str) -> TaskWork:
        return self.tasks.setdefault(name, TaskWork(name))

    def _resource(self, task: str, name: str) -> ResourceWork:
        return self._task(task).resources.setdefault(name, ResourceWork(name))


def cut(text: str) -> str:
    """Give so much of a text as is worth showing."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
