"""`amiforge show`: what will be on an image."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amiforge.cli.options import Allow, Arch, ConfigFile, Instances, Json, Os, RecipeName, Set, Versions
from amiforge.redaction import Redaction, secrets_in

if TYPE_CHECKING:
    from pydantic import BaseModel

    from amiforge.cli.choice import Chosen
    from amiforge.recipes.compatibility.rule import Violation
    from amiforge.recipes.recipe import Recipe

Options = Annotated[bool, typer.Option("--options", help="Show every option of source, builder and tasks too.")]


def show(
    recipe: RecipeName,
    changes: Set = None,
    os: Os = None,
    arch: Arch = None,
    versions: Versions = None,
    instances: Instances = None,
    allow: Allow = None,
    options: Options = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show what will be on an image: each component with its version, where it comes from, and why this version."""
    from amiforge.cli.asked import Asked
    from amiforge.cli.choice import choose
    from amiforge.cli.config import load
    from amiforge.recipes.compatibility import refused, violations

    asked = Asked(changes or (), os or (), arch or (), versions or "", instances or (), allow or ())
    for chosen in choose([recipe], load(config), asked):
        found = violations(chosen.recipe)
        if as_json:
            typer.echo(json.dumps(Redaction(secrets_in(chosen.recipe)).data(as_data(chosen, found))))
        else:
            _print(chosen, found, options=options)
        if errors := [each for each in found if each.severity == "error"]:
            raise refused(chosen.recipe, errors)


def as_data(chosen: Chosen, found: Sequence[Violation]) -> dict[str, Any]:
    """Give a recipe as plain data, tasks by name in order; secrets stay masked."""
    from amiforge.bake.manifest import shown
    from amiforge.recipes.software import software

    recipe = chosen.recipe
    return {
        "recipe": recipe.name,
        "description": recipe.description,
        "os": recipe.source.os,
        "architecture": recipe.source.architecture,
        "versions": chosen.versions,
        "instances": recipe.instances,
        "software": [asdict(each) for each in software(recipe, chosen.versions, chosen.given)],
        "violations": [asdict(each) for each in found],
        "source": shown(recipe.source),
        "builder": shown(recipe.builder),
        "tasks": {task.name(): shown(task) for task in recipe.tasks},
    }


def _print(chosen: Chosen, found: Sequence[Violation], *, options: bool) -> None:
    from amiforge.cli.paragraph import paragraphs
    from amiforge.cli.table import print_table
    from amiforge.recipes.software import software

    typer.echo("\n".join(paragraphs(heading(chosen))))
    components = software(chosen.recipe, chosen.versions, chosen.given)
    rows = [(each.title, each.version or "-", each.source, each.why) for each in components]
    print_table(("component", "version", "source", "why"), Redaction(secrets_in(chosen.recipe)).data(rows))
    for each in found:
        if each.severity == "warning":
            typer.echo(f"\n! {each.rule}: {each.message}; {each.fix}")
    if options:
        typer.echo("\n".join(paragraphs(describe(chosen.recipe))))


def heading(chosen: Chosen) -> Iterator[str]:
    """Give what an image is and is for, and where its bake starts."""
    recipe, source = chosen.recipe, chosen.recipe.source
    yield f"{recipe.name} on {source.os} {source.architecture}: {recipe.description}"
    yield f"source: {source.ami or source.parameter or source.name}"
    if chosen.versions:
        yield f"versions: {chosen.versions}"
    if recipe.instances:
        yield f"instances: {', '.join(recipe.instances)}"
    yield ""


def describe(recipe: Recipe) -> Iterator[str]:
    """Give every option as lines of text: values that are not the default stand out with a `*`."""
    yield from ("", "source")
    yield from _options(recipe.source)
    yield from ("", "builder")
    yield from _options(recipe.builder)
    for task in recipe.tasks:
        summary = (type(task).__doc__ or "").strip().partition("\n")[0]
        yield from ("", f"{task.name()}: {summary}")
        yield from _options(task)


def _options(model: BaseModel) -> Iterator[str]:
    rows = [(name, _value(getattr(model, name)), field) for name, field in type(model).model_fields.items()]
    name_width = max((len(name) for name, _, _ in rows), default=0)
    value_width = min(max((len(value) for _, value, _ in rows), default=0), 40)
    for name, value, field in rows:
        default = field.get_default(call_default_factory=True, validated_data={})
        mark = " " if getattr(model, name) == default else "*"
        yield f"  {mark} {name:<{name_width}}  {value:<{value_width}}  {field.description or ''}".rstrip()


def _value(value: object) -> str:
    if isinstance(value, tuple | list | set | frozenset):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in ("", None) else "-"
