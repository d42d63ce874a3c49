"""`amiforge bake`: make images."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import typer

from amiforge.cli.options import (
    Allow,
    Arch,
    ConfigFile,
    Force,
    Instances,
    Json,
    MaxAge,
    NoVerify,
    OnFailure,
    Os,
    Profile,
    RecipeNames,
    Region,
    Sandbox,
    Set,
    Versions,
)
from amiforge.errors import AmiforgeError, CompatibilityError, ConfigError

if TYPE_CHECKING:
    from amiforge.bake.manifest import Manifest
    from amiforge.bake.reuse import Existing
    from amiforge.cli.config import Config
    from amiforge.cli.outcome import Outcome
    from amiforge.recipes.recipe import Recipe


def bake(
    recipes: RecipeNames,
    changes: Set = None,
    os: Os = None,
    arch: Arch = None,
    versions: Versions = None,
    instances: Instances = None,
    allow: Allow = None,
    config: ConfigFile = None,
    region: Region = None,
    profile: Profile = None,
    sandbox: Sandbox = False,
    on_failure: OnFailure = None,
    no_verify: NoVerify = False,
    force: Force = False,
    max_age: MaxAge = None,
    as_json: Json = False,
) -> int:
    """Bake images, each from its source image to a verified one. A failed bake leaves nothing behind.

    Where an earlier bake has made the very image already, that one is named, and nothing is launched.
    """
    from amiforge.cli.asked import Asked
    from amiforge.cli.choice import choose
    from amiforge.cli.config import Given, aws_flags, load
    from amiforge.cli.outcome import tell

    flags = {"bake": {}, **aws_flags(region, profile)}
    if on_failure:
        flags["bake"]["on_failure"] = Given(on_failure, f"--on-failure {on_failure}")
    if no_verify:
        flags["bake"]["verify"] = Given(False, "--no-verify")
    if max_age is not None:
        flags["bake"]["max_age_days"] = Given(max_age, f"--max-age {max_age:g}")
    settings = load(config, flags)
    if sandbox and settings.bake.on_failure == "keep":
        _refuse_to_keep_what_goes()
    asked = Asked(changes or (), os or (), arch or (), versions or "", instances or (), allow or ())
    chosen = [each.recipe for each in choose(recipes, settings, asked)]
    refused = [_refusal(recipe) for recipe in chosen]
    with _one_sandbox(wanted=sandbox and refused.count(None) > 1, as_json=as_json):
        outcomes = [
            no
            or _attempt(recipe, settings, asked.record(recipe, config, sandbox=sandbox), force=force, as_json=as_json)
            for recipe, no in zip(chosen, refused, strict=True)
        ]
    if len(outcomes) > 1:
        tell(outcomes, as_json=as_json)
    return next((outcome.exit_status for outcome in outcomes if outcome.exit_status), 0)


def _refusal(recipe: Recipe) -> Outcome | None:
    """Give why a recipe cannot be baked, told at once: nothing is launched before every recipe was looked at."""
    from amiforge.cli.compatibility import admit
    from amiforge.cli.outcome import failed

    try:
        admit(recipe)
    except CompatibilityError as error:
        typer.echo(error.block(), err=True)
        return failed(recipe, error)
    return None


@contextmanager
def _one_sandbox(*, wanted: bool, as_json: bool) -> Iterator[None]:
    """Keep one sandbox up for several bakes, rather than start one for each."""
    if not wanted:
        yield
        return

    from amiforge.cli.console import listening
    from amiforge.sandbox.lifecycle import session

    with ExitStack() as stack:
        with listening("sandbox for several bakes", json=as_json) as listener:
            stack.enter_context(session(listener=listener))
        yield


def _attempt(recipe: Recipe, settings: Config, asked: Mapping[str, Any], *, force: bool, as_json: bool) -> Outcome:
    """Bake one image. Its failure says nothing about the others; the first one decides how the command ends."""
    from amiforge.bake.reuse import Existing
    from amiforge.cli import found
    from amiforge.cli.outcome import as_event, baked, failed, summary

    started = time.monotonic()
    try:
        made = _bake(recipe, settings, asked, force=force, as_json=as_json)
    except AmiforgeError as error:
        typer.echo(error.block(), err=True)
        return failed(recipe, error, time.monotonic() - started)
    if isinstance(made, Existing):
        typer.echo(json.dumps(found.as_event(made)) if as_json else "\n".join(found.summary(made)))
        return found.outcome(recipe, made, time.monotonic() - started)
    typer.echo(json.dumps(as_event(made)) if as_json else "\n".join(summary(made, settings.bake.runs)))
    return baked(recipe, made)


def _refuse_to_keep_what_goes() -> None:
    from amiforge.sandbox.lifecycle import running

    if not running():
        raise ConfigError(
            "--on-failure keep: a sandbox that is up for this bake alone takes the builder along when it ends",
            fix="run `amiforge sandbox up` before",
        )


def _bake(
    recipe: Recipe, settings: Config, asked: Mapping[str, Any], *, force: bool, as_json: bool
) -> Manifest | Existing:
    from amiforge.bake import bake as bake_image
    from amiforge.bake.hooks import commands
    from amiforge.cli import found
    from amiforge.cli.console import listening
    from amiforge.cli.where import ec2

    title = f"bake {recipe.name} on {recipe.source.os} {recipe.source.architecture}"
    with (
        listening(title, json=as_json, hide=recipe) as listener,
        ec2(settings, listener, sandbox=asked["sandbox"], system=recipe.source.os) as there,
    ):
        existing = None if force else found.look(recipe, settings, there)
        return existing or bake_image(
            recipe,
            there.aws,
            settings=settings.bake,
            engine=there.engine,
            publish=settings.publish,
            report=settings.report,
            hooks=commands(settings.hooks),
            listener=there.listener,
            means=there.means(),
            asked=asked,
        )
