"""`amiforge apply`: bring a running machine to what a recipe describes."""

from __future__ import annotations

from typing import Annotated

import typer

from amiforge.cli.options import ConfigFile, Json, KeyFile, RecipeName, Set


def apply(
    recipe: RecipeName,
    host: Annotated[
        str, typer.Option("--host", metavar="[USER@]ADDRESS", help="Machine to change; local:// for this one.")
    ],
    key: KeyFile = None,
    changes: Set = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Bring a running machine to what a recipe describes. What is so already is left alone."""
    from amiforge.cli.choice import choose
    from amiforge.cli.config import load
    from amiforge.cli.console import listening
    from amiforge.cli.machine import connected
    from amiforge.cli.where import trusted
    from amiforge.engine import apply as engine

    settings = load(config)
    for chosen in choose([recipe], settings, changes or []):
        with listening(f"{chosen.name} on {host}", json=as_json) as listener, connected(host, key, settings) as machine:
            digests, recording = trusted(settings, listener)
            engine.apply(machine, chosen.tasks, listener=recording, settings=settings.engine, digests=digests)
