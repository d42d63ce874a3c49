"""`amiforge apply`: bring a running machine to what a recipe describes."""

from __future__ import annotations

from typing import Annotated

import typer

from amiforge.cli.options import Allow, Arch, ConfigFile, Instances, Json, KeyFile, Os, RecipeName, Set, Versions
from amiforge.errors import HostError, RebootError, TaskError
from amiforge.shell import display


def apply(
    recipe: RecipeName,
    host: Annotated[
        str, typer.Option("--host", metavar="[USER@]ADDRESS", help="Machine to change; local:// for this one.")
    ],
    key: KeyFile = None,
    changes: Set = None,
    os: Os = None,
    arch: Arch = None,
    versions: Versions = None,
    instances: Instances = None,
    allow: Allow = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Bring a running machine to what a recipe describes. What is so already is left alone."""
    from amiforge.cli.asked import Asked
    from amiforge.cli.choice import choose_one
    from amiforge.cli.compatibility import admit
    from amiforge.cli.config import load
    from amiforge.cli.console import listening
    from amiforge.cli.machine import connected
    from amiforge.cli.where import trusted
    from amiforge.engine import apply as engine
    from amiforge.engine.batch import read_system
    from amiforge.recipes.supply import refuse_unproven

    settings = load(config)
    asked = Asked(changes or (), os or (), arch or (), versions or "", instances or (), allow or ())
    chosen = choose_one(recipe, settings, asked).recipe
    with listening(f"{chosen.name} on {host}", json=as_json, hide=chosen) as listener:
        try:
            with connected(host, key, settings) as machine:
                admit(chosen, read_system(machine))
                trust, recording = trusted(settings, listener)
                if settings.engine.require_digests:
                    refuse_unproven(chosen, trust)
                engine.apply(machine, chosen.tasks, listener=recording, settings=settings.engine, trust=trust)
        except (HostError, RebootError, TaskError) as error:
            words = ["amiforge", "apply", recipe, "--host", host, *(["--key", str(key)] if key else []), *asked.words()]
            raise error.add(resume=f"{display(words)}  (what is done is kept)") from None
