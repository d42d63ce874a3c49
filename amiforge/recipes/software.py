"""What will be on a recipe's image, and why in that version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from amiforge.recipes import version_sets
from amiforge.recipes.assumed import assumed
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.version_sets import DEFAULTS, VERSION_SETS
from amiforge.tasks.platform import platform
from amiforge.tasks.task import Software, Task

#: Where options were given that differ from the recipe's own, by task and option.
Given = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Component:
    """One piece of software on an image.

    Attributes:
        version: exact; empty for whatever the source holds when the image is baked.
        source: where it comes from.
        why: why this version.
    """

    task: str
    title: str
    version: str
    source: str
    why: str


def software(recipe: Recipe, versions: str = "", given: Given | None = None) -> Iterator[Component]:
    """Give what the tasks of a recipe put on its image, in their order.

    Args:
        recipe: with every option as it is wanted.
        versions: the version set it was given; empty for the one that its operating system implies.
        given: where a user gave options.
    """
    system = assumed(recipe.source)
    implied = version_sets.implied(system.os.name)
    first = versions or (implied.name if implied else "")
    for task in recipe.tasks:
        for found in task.software(system) if platform(system) in task.platforms else ():
            why = _why(task, found, first, given or {})
            yield Component(task.name(), found.title, found.version, found.source, why)


def _why(task: Task, found: Software, first: str, given: Given) -> str:
    place = (task.name(), found.option)
    if place in given:
        return f"given: {given[place]}"
    if not found.version:
        return "not pinned: what is there when the image is baked"
    if not found.option:
        return "goes with the task"
    value = getattr(task, found.option)
    for version_set in sorted(VERSION_SETS, key=lambda each: each.name != first):
        pin = version_set.pin(*place)
        if pin and pin.value == value:
            return f"{version_set.name}: {pin.why}"
    for pin in DEFAULTS:
        if (pin.task, pin.option, pin.value) == (*place, value):
            return f"default: {pin.why}"
    return "the task's default" if value == type(task).model_fields[found.option].default else "the recipe's choice"
