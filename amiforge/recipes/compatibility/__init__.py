"""What goes together and what does not: rules as data, each with its source, over a recipe and nothing else.

Rules stand in one module a topic. A recipe that breaks one is refused before anything is launched; who knows better
names the rule, in `allow` of the recipe or with `--allow`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from difflib import get_close_matches
from importlib.metadata import entry_points
from itertools import groupby

from amiforge.errors import CompatibilityError, ConfigError, RecipeError
from amiforge.recipes.assumed import assumed
from amiforge.recipes.compatibility import containers, cuda, driver, network, neuron, order, platforms
from amiforge.recipes.compatibility.facts import Facts
from amiforge.recipes.compatibility.rule import Rule, Violation
from amiforge.recipes.recipe import Recipe
from amiforge.systems.system import System

#: Rules of other packages: each entry point is a Rule.
_GROUP = "amiforge.rules"

#: Ours.
RULES: tuple[Rule, ...] = (
    *platforms.RULES,
    *order.RULES,
    *driver.RULES,
    *cuda.RULES,
    *network.RULES,
    *containers.RULES,
    *neuron.RULES,
)


def rules() -> tuple[Rule, ...]:
    """Give our rules, then those of other installed packages.

    Raises:
        RecipeError: another package's entry point holds something else than a rule.
    """
    others = [(entry.value, entry.load()) for entry in entry_points(group=_GROUP)]
    for place, rule in others:
        if not isinstance(rule, Rule):
            raise RecipeError(f"entry point {place} is no Rule", fix="point it at a Rule object")
    return (*RULES, *(rule for _, rule in others))


def violations(recipe: Recipe, system: System | None = None, today: date | None = None) -> tuple[Violation, ...]:
    """Give every broken rule of a recipe, errors first; those that the recipe allows are warnings.

    Args:
        recipe: what is judged.
        system: what it is for; None for what its source image is.
        today: the day by which ends of life are judged; None for today.

    Raises:
        ConfigError: the recipe allows a rule that does not exist.
    """
    judges = rules()
    _refuse_unknown(recipe.allow, judges)
    facts = Facts.of(recipe, system or assumed(recipe.source), today or datetime.now(UTC).date())
    found = [_allowed(each, recipe.allow) for rule in judges for each in _violations(rule, facts)]
    return tuple(sorted(found, key=lambda each: each.severity != "error"))


def require(recipe: Recipe, system: System | None = None) -> tuple[Violation, ...]:
    """Give the warnings of a recipe that breaks no rule it may not break.

    Raises:
        CompatibilityError: it breaks some; names all of them.
        ConfigError: the recipe allows a rule that does not exist.
    """
    found = violations(recipe, system)
    errors = [each for each in found if each.severity == "error"]
    if errors:
        raise refused(recipe, errors)
    return found


def refused(recipe: Recipe, errors: Sequence[Violation]) -> CompatibilityError:
    """Give the error that tells of every rule that a recipe breaks."""
    lines = {
        rule: "\n".join(part for each in group for part in (each.message, f"fix: {each.fix}", f"see: {each.source}"))
        for rule, group in groupby(errors, key=lambda each: each.rule)
    }
    many = f"{len(lines)} compatibility rules" if len(lines) > 1 else "a compatibility rule"
    system = f"{recipe.source.os} {recipe.source.architecture}"
    allow = " ".join(f"--allow {rule}" for rule in lines)
    return CompatibilityError(f"{recipe.name} on {system} breaks {many}", **lines, go_on_anyway=allow)


def _violations(rule: Rule, facts: Facts) -> Iterator[Violation]:
    for conflict in rule.conflicts(facts):
        yield Violation(rule.id, rule.severity, conflict.message, conflict.fix, rule.source)


def _allowed(violation: Violation, allow: Iterable[str]) -> Violation:
    return replace(violation, severity="warning") if violation.rule in allow else violation


def _refuse_unknown(allow: Iterable[str], judges: Iterable[Rule]) -> None:
    known = [rule.id for rule in judges]
    for name in allow:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            fix = f"did you mean {near[0]}?" if near else "see the reference of compatibility rules"
            raise ConfigError(f"there is no compatibility rule {name!r}", fix=fix)
