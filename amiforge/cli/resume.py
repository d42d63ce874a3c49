"""`amiforge resume`: go on with a run that was parked, kept, or lost its process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amiforge.cli.options import ConfigFile, Json, OnFailure, Profile, Set

if TYPE_CHECKING:
    from amiforge.bake.history import History
    from amiforge.bake.manifest import Manifest
    from amiforge.cli.config import Config
    from amiforge.recipes.recipe import Recipe


def complete_run(incomplete: str) -> list[str]:
    """Give the runs of this folder whose id starts so, for shell completion."""
    from amiforge.bake.history import histories
    from amiforge.cli.config import load

    found, _ = histories(Path(load(None).bake.runs))
    return [each.run for each in reversed(found) if each.resumable and each.run.startswith(incomplete)]


RunId = Annotated[
    str,
    typer.Argument(metavar="[RUN]", help="Id of the run, or its beginning.", autocompletion=complete_run),
]


def resume(
    run: RunId = "",
    changes: Set = None,
    config: ConfigFile = None,
    profile: Profile = None,
    on_failure: OnFailure = None,
    as_json: Json = False,
) -> None:
    """Go on with a run at the step it had come to; without a name, with the latest that has not come to its end.

    It is asked for as it was when it began. Secrets are written down nowhere: give their --set again.
    """
    from amiforge.bake.resume import find_run, refuse_ended
    from amiforge.cli.asked import Asked
    from amiforge.cli.choice import choose_one
    from amiforge.cli.config import Given, aws_flags, load
    from amiforge.cli.outcome import as_event, summary

    before = load(config, aws_flags(None, profile))
    history = find_run(Path(before.bake.runs), run)
    refuse_ended(history)
    flags = {"bake": {}, **aws_flags(history.region, profile or history.profile or None)}
    if on_failure:
        flags["bake"]["on_failure"] = Given(on_failure, f"--on-failure {on_failure}")
    settings = load(config or _file(history), flags)
    chosen = choose_one(history.recipe, settings, Asked.recorded(history.asked, changes or ())).recipe
    made = _resume(history, chosen, settings, as_json=as_json)
    typer.echo(json.dumps(as_event(made)) if as_json else "\n".join(summary(made, settings.bake.runs)))


def _file(history: History) -> Path | None:
    named = history.asked.get("config", "")
    return Path(named) if named else None


def _resume(history: History, recipe: Recipe, settings: Config, *, as_json: bool) -> Manifest:
    from amiforge.bake.hooks import commands
    from amiforge.bake.resume import resume as go_on
    from amiforge.cli.console import listening
    from amiforge.cli.where import ec2

    sandbox = bool(history.asked.get("sandbox"))
    with (
        listening(f"resume {history.run}: {recipe.name} on {recipe.source.os}", json=as_json, hide=recipe) as listener,
        ec2(settings, listener, sandbox=sandbox, system=recipe.source.os) as there,
    ):
        aws = there.aws if sandbox else there.aws.model_copy(update={"endpoint_url": history.endpoint})
        return go_on(
            history,
            recipe,
            aws,
            settings=settings.bake,
            engine=there.engine,
            publish=settings.publish,
            hooks=commands(settings.hooks),
            report=settings.report,
            listener=there.listener,
            means=there.means(),
        )
