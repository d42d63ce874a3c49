"""`amiforge runs`: which runs there are here, and what came of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from amiforge.cli.options import ConfigFile, Json

if TYPE_CHECKING:
    from amiforge.bake.history import History


def runs(config: ConfigFile = None, as_json: Json = False) -> None:
    """List the runs of this folder, oldest first: what each bakes, how far it came, and how it ended."""
    from amiforge.bake.history import histories
    from amiforge.cli.config import load
    from amiforge.cli.table import print_table

    folder = Path(load(config).bake.runs)
    found, wrong = histories(folder)
    if as_json:
        for each in found:
            typer.echo(json.dumps(_data(each)))
    elif found:
        print_table(("run", "recipe", "os", "region", "status", "step", "image", "began"), map(_row, found))
    else:
        typer.echo(f"no runs in {folder}")
    for error in wrong:
        typer.echo(error.block(), err=True)
    if not as_json and any(each.resumable for each in found):
        typer.echo("\n`amiforge resume RUN` goes on with one; `amiforge gc --run RUN --delete` removes what it left.")


def _row(each: History) -> tuple[str, ...]:
    began = datetime.fromtimestamp(each.started, UTC).strftime("%Y-%m-%d %H:%M UTC")
    status = f"{each.status}: {each.busy or each.reason}".removesuffix(": ")
    return each.run, each.recipe, each.os, each.region, status, each.step, each.image or "-", began


def _data(each: History) -> dict[str, Any]:
    names = ("run", "recipe", "os", "arch", "region", "status", "step", "reason", "busy", "image", "started", "last")
    return {name: getattr(each, name) for name in names} | {"resumable": each.resumable, "folder": str(each.folder)}
