"""What would be done to a host, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, Unknown, Value
from amiforge.errors import RecipeError
from amiforge.systems.system import System


class Component(Protocol):
    """A named source of resources; a task is one."""

    @classmethod
    def name(cls) -> str:
        """Give the name people know it by."""

    def require(self, system: System) -> None:
        """Do nothing where it exists for this system, else raise RecipeError."""

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the resources it consists of on this system."""


@dataclass(frozen=True, slots=True)
class Item:
    """A resource in its place: which task wants it, and the line that says so (`tasks/aws_efa.py:41`)."""

    task: str
    resource: Resource
    where: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One key whose actual value is not the desired one."""

    key: str
    actual: Value
    desired: Value


@dataclass(frozen=True, slots=True)
class Planned:
    """What is known of one resource: as wanted (no differences), different, or unknown until applied (a reason)."""

    item: Item
    differences: tuple[Difference, ...] = ()
    changes: tuple[Change, ...] = ()
    unknown: str = ""

    @property
    def as_wanted(self) -> bool:
        """Tell whether there is nothing to do."""
        return not self.differences and not self.changes and not self.unknown


@dataclass(frozen=True, slots=True)
class Plan:
    """Every resource in order, and what would be done about it. Falsy when there is nothing to do."""

    system: System
    items: tuple[Planned, ...] = field(default=())

    @property
    def pending(self) -> tuple[Planned, ...]:
        """What is not as wanted, or not known."""
        return tuple(planned for planned in self.items if not planned.as_wanted)

    def __bool__(self) -> bool:
        return bool(self.pending)


def lay_out(components: Sequence[Component], system: System) -> tuple[Item, ...]:
    """Give every resource of every component in order, with the line each comes from.

    Raises:
        RecipeError: a component does not exist for the system, or two resources want different things of one subject.
    """
    items: list[Item] = []
    for component in components:
        component.require(system)
        resources = component.resources(system)
        items.extend(Item(component.name(), resource, _line(resources)) for resource in resources)
    _refuse_contradictions(items)
    return tuple(items)


def queries(items: Sequence[Item], system: System) -> list[Query[Any]]:
    """Give every question that the items' resources ask."""
    return [query for item in items if item.resource.provable for query in item.resource.queries(system)]


def assess(item: Item, replies: Replies, system: System) -> Planned:
    """Compare what one resource wants with what the host answered."""
    resource = item.resource
    if not resource.provable:
        return Planned(item, changes=tuple(resource.changes(frozenset(resource.desired(system)), system)))
    try:
        resource = resource.resolved(replies, system)
        actual = resource.actual(replies, system)
    except Unknown as unknown:
        return Planned(item, unknown=str(unknown))
    desired = resource.desired(system)
    differences = tuple(
        Difference(key, actual.get(key), value) for key, value in desired.items() if actual.get(key) != value
    )
    if not differences:
        return Planned(item)
    keys = frozenset(difference.key for difference in differences)
    return Planned(item, differences, tuple(resource.changes(keys, system)))


def _line(resources: object) -> str:
    """Give the line at which a generator of resources stands, or the one that it yields from."""
    while hasattr(inner := getattr(resources, "gi_yieldfrom", None), "gi_frame"):
        resources = inner
    frame = getattr(resources, "gi_frame", None)
    if frame is None:
        return ""
    file = "/".join(frame.f_code.co_filename.split("/")[-2:])
    return f"{file}:{frame.f_lineno}"


def _refuse_contradictions(items: Sequence[Item]) -> None:
    seen: dict[str, Item] = {}
    for item in items:
        first = seen.setdefault(item.resource.name, item)
        if item.resource.exclusive and first.resource != item.resource:
            raise RecipeError(
                f"two resources own {item.resource.name}",
                first=f"{first.task} at {first.where}",
                second=f"{item.task} at {item.where}",
                fix="keep one of them, or give them different paths",
            )
