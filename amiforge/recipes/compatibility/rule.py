"""What a compatibility rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from amiforge.recipes.compatibility.facts import Facts

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two things that do not go together: which they are and why, and what to do."""

    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that must hold between the parts of a recipe.

    Attributes:
        id: names it for `--allow`.
        title: what must hold.
        severity: whether a recipe that breaks it is refused.
        source: the document or repository that says so.
        conflicts: finds what breaks it.
    """

    id: str
    title: str
    severity: Severity
    source: str
    conflicts: Callable[[Facts], Iterator[Conflict]]


@dataclass(frozen=True, slots=True)
class Violation:
    """One case of a broken rule in one recipe; an error that is allowed is a warning."""

    rule: str
    severity: Severity
    message: str
    fix: str
    source: str
