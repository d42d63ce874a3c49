"""What can be known of a bake before it, and the IAM policy for it, told to people and programs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import typer

from amiforge.errors import BakeError, CompatibilityError, RecipeError

if TYPE_CHECKING:
    from amiforge.cli.choice import Chosen
    from amiforge.cli.config import Config
    from amiforge.cli.where import Where
    from amiforge.ec2.preflight import Finding
    from amiforge.recipes.recipe import Recipe

_COMPATIBILITY, _DOWNLOADS = "compatibility", "downloads"
#: How a command ends when only problems of this kind were found.
_STATUS = {_COMPATIBILITY: CompatibilityError.exit_status, _DOWNLOADS: RecipeError.exit_status}


def tell_all(chosen: Chosen, settings: Config, *, sandbox: bool, as_json: bool) -> int:
    """Ask everything that can be known before a bake of a recipe, tell it, and give how the command ends."""
    from amiforge.cli.console import listening
    from amiforge.cli.where import ec2
    from amiforge.engine.events import StepFinished, StepStarted

    recipe, started = chosen.recipe, time.monotonic()
    title = f"{recipe.name} on {recipe.source.os} {recipe.source.architecture}"
    with (
        listening(f"plan {title}", json=as_json, aside=True, hide=recipe) as listener,
        ec2(settings, listener, sandbox=sandbox, system=recipe.source.os) as there,
    ):
        listener(StepStarted(step="ask EC2"))
        found = (*of_recipe(recipe, there), *of_ec2(recipe, settings, there))
        listener(StepFinished(step="ask EC2", seconds=time.monotonic() - started, detail=f"{len(found)} findings"))
    status = exit_status(found)
    typer.echo("\n".join(as_lines(found, chosen, status) if as_json else describe(found, chosen, title)))
    return status


def policy(chosen: Chosen, settings: Config) -> str:
    """Give the IAM policy that a bake of a recipe needs, as JSON; nothing is asked for it."""
    from amiforge.ec2.policy import Place, document, statements
    from amiforge.ec2.publication.policy import publishing

    recipe, place = chosen.recipe, Place(region=settings.aws.region or "*")
    needed = statements(recipe.source, recipe.builder, place)
    return json.dumps(document((*needed, *publishing(settings.publish, place, _kind(recipe)))), indent=2)


def _kind(recipe: Recipe) -> dict[str, str]:
    """Give what its images bear that the pointer's path needs."""
    from amiforge.ec2.tags import ARCH, OS, RECIPE

    return {RECIPE: recipe.name, OS: recipe.source.os, ARCH: recipe.source.architecture}


def of_recipe(recipe: Recipe, there: Where) -> Iterator[Finding]:
    """Give what speaks against the recipe itself: rules that it breaks, and downloads of which nothing is known."""
    from amiforge.ec2.preflight import Finding
    from amiforge.recipes.compatibility import violations
    from amiforge.recipes.supply import refuse_unproven

    for each in violations(recipe):
        level, fix = "problem" if each.severity == "error" else "warning", f"{each.fix}; or --allow {each.rule}"
        yield Finding(level, _COMPATIBILITY, f"{each.rule}: {each.message}", fix)  # type: ignore[arg-type]
    if there.engine.require_digests:
        try:
            refuse_unproven(recipe, there.trust)
        except RecipeError as error:
            detail = f"{error.message}: {error.lines['downloads'].replace(chr(10), ', ')}"
            yield Finding("problem", _DOWNLOADS, detail, error.lines["fix"], "engine.require_digests")


def of_ec2(recipe: Recipe, settings: Config, there: Where) -> Sequence[Finding]:
    """Give what AWS says, without what the calls were signed with."""
    from amiforge.ec2.preflight import Wanted, open_services, preflight
    from amiforge.redaction import Redaction

    services = open_services(there.aws)
    wanted = Wanted(recipe.name, recipe.source, recipe.builder, settings.bake, len(recipe.tasks), settings.publish)
    found = preflight(services, wanted)
    redaction = Redaction(services.secrets())
    return [replace(each, detail=redaction.text(each.detail)) for each in found]


def exit_status(found: Sequence[Finding]) -> int:
    """Give how the command ends: 0 when a bake can start, else as the bake itself would."""
    problems = {each.title for each in found if each.level == "problem"}
    if not problems:
        return 0
    return _STATUS.get(problems.pop(), BakeError.exit_status) if len(problems) == 1 else BakeError.exit_status


def as_lines(found: Sequence[Finding], chosen: Chosen, status: int) -> Iterator[str]:
    """Give findings as JSON lines, and what they come to as the last one."""
    recipe = chosen.recipe
    about = {"recipe": recipe.name, "os": recipe.source.os, "architecture": recipe.source.architecture}
    for each in found:
        yield json.dumps({"event": "Found", **about, **asdict(each), "given": _origin(each, chosen)})
    counts = {f"{level}s": _count(found, level) for level in ("problem", "warning")}
    yield json.dumps({"event": "Planned", **about, **counts, "exit_status": status})


def describe(found: Sequence[Finding], chosen: Chosen, title: str) -> Iterator[str]:
    """Give findings as text: facts as a table, then warnings, and problems where they are seen first."""
    from amiforge.cli.table import table

    yield title
    if facts := [(each.title, each.detail) for each in found if each.level == "fact"]:
        yield ""
        yield table(("what", "known"), facts)
    for level, mark in (("warning", "!"), ("problem", "✗")):
        for each in found:
            if each.level == level:
                yield ""
                yield f"{mark} {each.title}: {each.detail}"
                yield from _place(each, chosen)
                yield f"    fix     {each.fix}"
    yield ""
    problems, warnings = _count(found, "problem"), _count(found, "warning")
    end = "a bake can start" if not problems else "a bake cannot succeed"
    yield f"{_many(problems, 'problem')}, {_many(warnings, 'warning')}: {end}"


def _origin(each: Finding, chosen: Chosen) -> str:
    part, _, option = each.where.partition(".")
    return chosen.given.get((part, option), "")


def _place(each: Finding, chosen: Chosen) -> Iterator[str]:
    if each.where:
        yield f"    set in  {_origin(each, chosen) or each.where}"


def _count(found: Sequence[Finding], level: str) -> int:
    return sum(each.level == level for each in found)


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
