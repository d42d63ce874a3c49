"""`amiforge show`: what will be on an image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from amiforge.cli.options import ConfigFile, Json, RecipeName, Set

if TYPE_CHECKING:
    from pydantic import BaseModel

    from amiforge.recipes.recipe import Recipe


def show(recipe: RecipeName, changes: Set = None, config: ConfigFile = None, as_json: Json = False) -> None:
    """Show what will be on an image: its source, its tasks in order, and every option with its value."""
    from amiforge.cli.choice import choose
    from amiforge.cli.config import load

    for chosen in choose([recipe], load(config), changes or []):
        if as_json:
            typer.echo(json.dumps(as_data(chosen)))
        else:
            typer.echo("\n".join(describe(chosen)))


def as_data(recipe: Recipe) -> dict[str, Any]:
    """Give a recipe as plain data, tasks by name in order; secrets stay masked."""
    from amiforge.bake.manifest import shown

    parts = {"source": shown(recipe.source), "builder": shown(recipe.builder)}
    tasks = {task.name(): shown(task) for task in recipe.tasks}
    return {"recipe": recipe.name, "description": recipe.description, **parts, "tasks": tasks}


def describe(recipe: Recipe) -> Iterator[str]:
    """Give a recipe as lines of text: values that are not the default stand out with a `*`."""
    yield f"{recipe.name}: {recipe.description}"
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
