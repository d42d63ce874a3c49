"""`amiforge verify`: prove that a machine or image is what its recipe says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amiforge.cli.options import (
    Arch,
    ConfigFile,
    HostName,
    Json,
    KeyFile,
    Os,
    Profile,
    RecipeName,
    Region,
    Sandbox,
    Set,
    Versions,
)
from amiforge.errors import ConfigError

if TYPE_CHECKING:
    from amiforge.cli.config import Config
    from amiforge.engine.events import Listener
    from amiforge.host.base import Host
    from amiforge.recipes.recipe import Recipe

AmiId = Annotated[
    str | None, typer.Option("--ami", metavar="AMI", help="Image to boot, verify and terminate.", show_default=False)
]
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write the outcome as JUnit XML.")]


def verify(
    recipe: RecipeName,
    host: HostName = None,
    ami: AmiId = None,
    key: KeyFile = None,
    changes: Set = None,
    os: Os = None,
    arch: Arch = None,
    versions: Versions = None,
    junit: Junit = None,
    config: ConfigFile = None,
    region: Region = None,
    profile: Profile = None,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Put every check of a recipe to a running machine, or to an instance booted from an image."""
    from amiforge.cli.asked import Asked
    from amiforge.cli.choice import choose_one
    from amiforge.cli.config import aws_flags, load
    from amiforge.cli.console import listening

    if (host is None) == (ami is None):
        raise ConfigError("what to verify is not clear", fix="give either --host [USER@]ADDRESS or --ami AMI")
    settings = load(config, aws_flags(region, profile))
    asked = Asked(changes or (), os or (), arch or (), versions or "")
    chosen = choose_one(recipe, settings, asked).recipe
    with listening(f"verify {chosen.name} on {host or ami}", json=as_json, hide=chosen) as listener:
        if host:
            _host(chosen, host, key, settings, listener, junit)
        elif ami:
            _image(chosen, ami, settings, listener, junit, sandbox=sandbox)


def _host(
    recipe: Recipe, host: str, key: Path | None, settings: Config, listener: Listener, junit: Path | None
) -> None:
    from amiforge.cli.machine import connected
    from amiforge.verify.runner import verify as run_checks

    with connected(host, key, settings) as machine:
        run_checks(machine, recipe, listener=listener, junit=junit)


def _image(
    recipe: Recipe, ami: str, settings: Config, listener: Listener, junit: Path | None, *, sandbox: bool
) -> None:
    from amiforge.bake.verify_image import verify_image
    from amiforge.cli.where import ec2
    from amiforge.verify.runner import verify as run_checks

    with ec2(settings, listener, sandbox=sandbox) as there:

        def checks(host: Host, recipe: Recipe, listener: Listener) -> None:
            run_checks(host, recipe, listener=listener, junit=junit)

        verify_image(
            recipe,
            ami,
            there.aws,
            settings=settings.bake,
            engine=there.engine,
            listener=listener,
            means=replace(there.means(), verify=checks),
        )
