"""`amiforge list`: which recipes and tasks there are."""

from __future__ import annotations

import json
from collections.abc import Sequence

import typer

from amiforge.cli.options import Json


def list_recipes(as_json: Json = False) -> None:
    """List the recipes, what each is for, and the tasks they are made of."""
    from amiforge import recipes

    found = [recipes.find(name) for name in recipes.names()]
    tasks = {task.name(): type(task) for recipe in found for task in recipe.tasks}
    if as_json:
        for recipe in found:
            names = [task.name() for task in recipe.tasks]
            row = {"recipe": recipe.name, "description": recipe.description, "os": recipe.source.os, "tasks": names}
            typer.echo(json.dumps(row))
        for name in sorted(tasks):
            typer.echo(json.dumps({"task": name, "description": _summary(tasks[name])}))
        return
    typer.echo("Recipes")
    _print([(recipe.name, recipe.description) for recipe in found])
    typer.echo("\nTasks")
    _print([(name, _summary(tasks[name])) for name in sorted(tasks)])


def _summary(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]


def _print(rows: Sequence[tuple[str, str]]) -> None:
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        typer.echo(f"  {name:<{width}}  {text}")
