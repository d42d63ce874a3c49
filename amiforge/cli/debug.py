"""`amiforge debug`: look at an image that failed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from amiforge.cli.options import ConfigFile, Json, Profile, Region, Sandbox, complete_recipe
from amiforge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amiforge.bake.debug import Patient
    from amiforge.cli.config import Config
    from amiforge.ec2.verdict import Verdict
    from amiforge.recipes.recipe import Recipe

AmiId = Annotated[str, typer.Argument(metavar="AMI", help="Id of the image.", show_default=False)]
Keep = Annotated[float, typer.Option("--keep", metavar="HOURS", min=0.1, help="How long the instance may stay.")]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="RECIPE",
        help="Recipe that says how instances are launched; otherwise the one the image was made of.",
        autocompletion=complete_recipe,
    ),
]


def debug(
    ami: AmiId,
    keep: Keep = 4,
    recipe: RecipeName = None,
    config: ConfigFile = None,
    region: Region = None,
    profile: Profile = None,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Boot an instance of an image and leave it for a while, with the command that logs in.

    Of one that lets nobody in, the console is all there is to see. Made for images that did not pass; takes any.
    """
    from amiforge.bake.debug import debug_image
    from amiforge.cli.config import aws_flags, load
    from amiforge.cli.console import listening
    from amiforge.cli.where import ec2
    from amiforge.ec2.session import open_clients
    from amiforge.ec2.verdict import read_verdict

    settings = load(config, aws_flags(region, profile))
    if sandbox:
        _refuse_what_goes_at_once()
    with (
        listening(f"debug {ami}", json=as_json) as listener,
        ec2(settings, listener, sandbox=sandbox) as there,
    ):
        verdict = read_verdict(open_clients(there.aws), ami)
        patient = debug_image(
            _recipe(verdict, recipe, settings),
            ami,
            there.aws,
            keep,
            settings=settings.bake,
            engine=there.engine,
            listener=there.listener,
            means=there.means(),
        )
    if as_json:
        typer.echo(json.dumps({"event": "Debugging", "image": asdict(verdict), **asdict(patient)}))
    else:
        typer.echo("\n".join(_shown(verdict, patient, sandbox=sandbox)))


def _refuse_what_goes_at_once() -> None:
    from amiforge.sandbox.lifecycle import running

    if not running():
        raise ConfigError(
            "there is no sandbox up, and one for this command alone would take the instance along",
            fix="run `amiforge sandbox up` before",
        )


def _recipe(verdict: Verdict, named: str | None, settings: Config) -> Recipe:
    """Give what says how instances of an image are launched: a recipe that is known here, else just its system."""
    from amiforge import recipes
    from amiforge.cli.asked import Asked
    from amiforge.cli.choice import choose_one
    from amiforge.ec2.source_image import SourceImage, user_of
    from amiforge.recipes.recipe import Recipe

    name = named or verdict.recipe
    if named or name in recipes.names():
        asked = Asked(os=(verdict.os,) if verdict.os else (), arch=(verdict.arch,))
        return choose_one(name, settings, asked).recipe
    system = verdict.os or "al2023"
    source = SourceImage(ami=verdict.image, architecture=verdict.arch, os=system, user=user_of(system))
    return Recipe(name="debug", description="an image to look at", source=source, tasks=())


def _shown(verdict: Verdict, patient: Patient, *, sandbox: bool) -> Iterator[str]:
    where = " --sandbox" if sandbox else ""
    said = " ".join(filter(None, (verdict.state, f"until {verdict.expires}" if verdict.expires else "")))
    yield f"console   {'nothing yet' * (not patient.console.strip())}"
    yield from (f"    {line}" for line in patient.console.strip().splitlines())
    yield ""
    yield f"image     {verdict.image}" + (f"  {said}" if said else "")
    if verdict.reason:
        yield f"because   {verdict.reason}"
    yield f"instance  {patient.instance}, which ends by itself, or by gc after {patient.until}"
    yield f"silent    {patient.mute}" if patient.mute else f"log in    {patient.login}"
    yield f"remove    amiforge gc --run {patient.run} --delete{where}"
