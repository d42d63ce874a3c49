"""`amiforge bake`: make images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from amiforge.cli.options import ConfigFile, Json, NoVerify, OnFailure, Profile, RecipeNames, Region, Sandbox, Set
from amiforge.errors import AmiforgeError, ConfigError

if TYPE_CHECKING:
    from amiforge.bake.manifest import Manifest
    from amiforge.cli.config import Config
    from amiforge.engine.apply import Report
    from amiforge.engine.events import Listener
    from amiforge.host.base import Host
    from amiforge.recipes.recipe import Recipe
    from amiforge.settings import EngineSettings


def bake(
    recipes: RecipeNames,
    changes: Set = None,
    config: ConfigFile = None,
    region: Region = None,
    profile: Profile = None,
    sandbox: Sandbox = False,
    on_failure: OnFailure = None,
    no_verify: NoVerify = False,
    as_json: Json = False,
) -> int:
    """Bake images, each from its source image to a verified one. A failed bake leaves nothing behind."""
    from amiforge.cli.choice import choose
    from amiforge.cli.config import Given, aws_flags, load

    flags = {"bake": {}, **aws_flags(region, profile)}
    if on_failure:
        flags["bake"]["on_failure"] = Given(on_failure, f"--on-failure {on_failure}")
    if no_verify:
        flags["bake"]["verify"] = Given(False, "--no-verify")
    settings = load(config, flags)
    if sandbox and settings.bake.on_failure == "keep":
        _refuse_to_keep_what_goes()
    status = 0
    for recipe in choose(recipes, settings, changes or []):
        try:
            made = _bake(recipe, settings, sandbox=sandbox, as_json=as_json)
        except AmiforgeError as error:
            # One image's failure says nothing about the others; the first one decides how the command ends.
            typer.echo(error.block(), err=True)
            status = status or error.exit_status
        else:
            typer.echo(json.dumps(outcome(made)) if as_json else "\n".join(summary(made)))
    return status


def _refuse_to_keep_what_goes() -> None:
    from amiforge.sandbox.lifecycle import running

    if not running():
        raise ConfigError(
            "--on-failure keep: a sandbox that is up for this bake alone takes the builder along when it ends",
            fix="run `amiforge sandbox up` before",
        )


def _bake(recipe: Recipe, settings: Config, *, sandbox: bool, as_json: bool) -> Manifest:
    from amiforge.bake.loop import bake as bake_image
    from amiforge.bake.run import Means
    from amiforge.cli.console import listening
    from amiforge.cli.where import ec2
    from amiforge.engine.apply import apply

    with listening(f"bake {recipe.name}", json=as_json) as listener, ec2(settings, listener, sandbox=sandbox) as there:

        def provision(host: Host, recipe: Recipe, engine: EngineSettings, listener: Listener) -> Report:
            return apply(host, recipe.tasks, listener=listener, settings=engine, trust=there.trust)

        return bake_image(
            recipe,
            there.aws,
            settings=settings.bake,
            engine=there.engine,
            listener=there.listener,
            means=Means(provision=provision),
        )


def outcome(made: Manifest) -> dict[str, str]:
    """Give what a bake came to as the last event; everything else is in the manifest."""
    verified = made.verification.outcome
    return {"event": "Baked", "recipe": made.recipe, "image": made.image, "region": made.region, "verified": verified}


def summary(made: Manifest) -> Iterator[str]:
    """Give what a bake came to: the image, its verified checks, and where the time went."""
    checks = made.verification.checks
    yield ""
    yield f"image     {made.image}  {made.image_name}  ({made.region})"
    yield f"source    {made.source.ami}  {made.source.name}"
    counts = ", ".join(
        f"{count} {outcome}"
        for outcome in ("passed", "failed", "skipped")
        if (count := sum(check.outcome == outcome for check in checks))
    )
    yield f"verified  {made.verification.outcome}" + (f": {counts}" if counts else "")
    yield f"timeline  {made.seconds:.1f} s"
    for timing in made.steps:
        yield f"    {timing.seconds:7.1f} s  {timing.name}"
