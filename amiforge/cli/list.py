"""`amiforge list`: which recipes, tasks and version sets there are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from amiforge.cli.options import Json

if TYPE_CHECKING:
    from amiforge.recipes.recipe import Recipe
    from amiforge.tasks.task import Task


def list_recipes(as_json: Json = False) -> None:
    """List recipes and tasks with what each is for and the systems it exists for, and the version sets."""
    from amiforge import recipes
    from amiforge.recipes.version_sets import VERSION_SETS
    from amiforge.tasks import registry
    from amiforge.tasks.platform import described

    found = [recipes.find(name) for name in recipes.names()]
    tasks = [registry.find(name) for name in sorted(registry.names())]
    if as_json:
        rows = [*map(_recipe, found), *map(_task, tasks)]
        rows += [{"versions": each.name, "description": each.description, "os": each.systems} for each in VERSION_SETS]
        typer.echo("\n".join(map(json.dumps, rows)))
        return
    _print("Recipes", [(recipe.name, recipe.description, described(recipe.platforms)) for recipe in found])
    _print("Tasks", [(task.name(), _summary(task), _systems(task)) for task in tasks])
    _print("Version sets", [(each.name, each.description, ", ".join(each.systems)) for each in VERSION_SETS])


def _recipe(recipe: Recipe) -> dict[str, object]:
    return {
        "recipe": recipe.name,
        "description": recipe.description,
        "os": recipe.source.os,
        "systems": [[source.os, source.architecture] for source in recipe.sources],
        "tasks": [task.name() for task in recipe.tasks],
    }


def _task(task: type[Task]) -> dict[str, object]:
    return {"task": task.name(), "description": _summary(task), "systems": sorted(map(list, task.platforms))}


def _systems(task: type[Task]) -> str:
    from amiforge.tasks.platform import EVERYWHERE, described

    return "every system" if task.platforms == EVERYWHERE else described(task.platforms)


def _summary(task: type[Task]) -> str:
    return (task.__doc__ or "").strip().partition("\n")[0]


def _print(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    from amiforge.cli.paragraph import paragraphs

    width = max((len(name) for name, _, _ in rows), default=0)
    typer.echo(title)
    for name, text, systems in rows:
        lines = (f"  {name:<{width}}  {text}", f"  {'':<{width}}  {systems}")
        typer.echo("\n".join(paragraphs(lines, width + 4)))
    typer.echo("")
