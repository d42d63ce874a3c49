"""What compatibility is judged by: a recipe, resolved, and nothing from outside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from amiforge.ec2.source_image import SourceImage
from amiforge.errors import RecipeError
from amiforge.recipes.recipe import Recipe
from amiforge.resources import Repository
from amiforge.systems.system import System
from amiforge.tasks import instance_family
from amiforge.tasks.instance_family import Family
from amiforge.tasks.task import Task

Kind = TypeVar("Kind", bound=Task)


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules look at.

    Attributes:
        system: what the tasks are for: that of the source image, or of a host that was asked.
        source: the image that a bake starts from.
        tasks: in install order.
        instances: what the image is for, as the recipe names it.
        today: the day of the question.
    """

    system: System
    source: SourceImage
    tasks: tuple[Task, ...]
    instances: tuple[str, ...]
    today: date

    @classmethod
    def of(cls, recipe: Recipe, system: System, today: date) -> Facts:
        """Give the facts of a recipe on a system."""
        return cls(system, recipe.source, recipe.tasks, recipe.instances, today)

    def task(self, kind: type[Kind]) -> Kind | None:
        """Give the task of a kind, if the recipe has it."""
        return next((task for task in self.tasks if isinstance(task, kind)), None)

    def with_families(self, kind: type[Kind]) -> Iterator[tuple[Kind, Family]]:
        """Give the task of a kind with every family that the recipe is for, if it has that task."""
        task = self.task(kind)
        if task:
            yield from ((task, family) for family in self.families)

    @property
    def families(self) -> tuple[Family, ...]:
        """The families of the instances, those of which something is known."""
        return families(self.instances)

    @property
    def kernel(self) -> str:
        """Release of the kernel, or its first two numbers where only the source image's name tells; else empty."""
        named = re.search(r"-kernel-(\d+\.\d+)-", f"{self.source.name} {self.source.parameter}-")
        return self.system.kernel or (named[1] if named and not self.source.ami else "")

    @property
    def repositories(self) -> Iterator[tuple[str, Repository]]:
        """Every package repository that a task adds, with the task's name."""
        for task in self.tasks:
            # A task that cannot be there is another rule's affair.
            with suppress(RecipeError):
                task.require(self.system)
                for resource in task.resources(self.system):
                    if isinstance(resource, Repository) and resource.present:
                        yield task.name(), resource


def families(instances: Iterable[str]) -> tuple[Family, ...]:
    """Give the families of instance types or families, each once, those of which something is known."""
    found = (instance_family.find(name) for name in instances)
    return tuple(dict.fromkeys(family for family in found if family))


def numbers(version: str) -> tuple[int, ...]:
    """Give the numbers of a version, to be compared: `580.159.03` is (580, 159, 3)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
