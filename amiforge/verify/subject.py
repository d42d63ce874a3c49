"""A host of a run of pytest, and what it should be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from amiforge.engine.events import CheckFinished
from amiforge.errors import AmiforgeError
from amiforge.host.base import Host
from amiforge.recipes.recipe import Recipe
from amiforge.systems.system import System
from amiforge.verify.backend import testinfra_host
from amiforge.verify.check import Stated, read_system, stated_by


@dataclass(frozen=True, eq=False)
class Subject:
    """A host, by its name, and its recipe."""

    name: str
    host: Host
    recipe: Recipe

    @cached_property
    def system(self) -> System:
        """What the host is, read once; connects when that did not happen yet.

        Raises:
            HostError: it cannot be reached or used.
            FactUnreadable, ConfigError: it is none of ours.
        """
        self.host.connect()
        return read_system(self.host)


@dataclass(frozen=True, slots=True)
class Question:
    """One check on one host; or the reason why nothing can be checked there. `name` is the test's."""

    name: str
    subject: Subject
    stated: Stated | None = None
    error: AmiforgeError | None = None

    def test(self) -> CheckFinished:
        """Find out whether it is true.

        Raises:
            AmiforgeError: the host could not be asked.
        """
        if self.stated is None:
            raise self.error or AmiforgeError("nothing to check")
        return self.stated.test(self.subject.system)


def questions(subjects: Sequence[Subject]) -> Iterator[Question]:
    """Give every check of the recipe on every host; connects, since what is to be proven depends on the host."""
    for subject in subjects:
        place = f"{subject.name} " if len(subjects) > 1 else ""
        try:
            for stated in stated_by(subject.recipe, testinfra_host(subject.host), subject.system):
                yield Question(f"{place}{stated.task}: {stated.check.title}", subject, stated)
        except AmiforgeError as error:
            yield Question(f"{place}the host can be verified", subject, error=error)
