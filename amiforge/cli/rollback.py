"""`amiforge rollback`: the pointer of a recipe's images names again what it named before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from amiforge.cli.options import ConfigFile, Json, Profile, RecipeName, Region, Sandbox
from amiforge.cli.publication import Channel, DryRun, Place, Pointer, To, market, print_done, print_switch

if TYPE_CHECKING:
    from pathlib import Path

    from amiforge.ec2.publication.change import Done

Os = Annotated[str, typer.Option("--os", metavar="NAME", help="Operating system.", show_default="the recipe's")]
Arch = Annotated[str, typer.Option("--arch", metavar="x86_64|arm64", help="Architecture.", show_default="the recipe's")]


def rollback(
    recipe: RecipeName,
    os: Os = "",
    arch: Arch = "",
    channel: Channel = None,
    to: To = None,
    pointer: Pointer = None,
    dry_run: DryRun = False,
    region: Region = None,
    profile: Profile = None,
    sandbox: Sandbox = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Swap what the pointer of a recipe's images names and what it named before, in all regions.

    No pointer moves unless both are available in all of them. What is left is deprecated some day, never removed.
    """
    from amiforge.bake.publishing import move, plan_rollback

    place = Place(region, profile, config, sandbox, as_json)
    tags = _tags(recipe, os, arch, config)
    done: list[Done] = []
    with market(f"roll back {recipe}", place, regions=to, pointer=pointer, channel=channel) as (there, listener):
        switch = plan_rollback(there, tags)
        if dry_run:
            print_switch(switch, as_json=as_json)
            return
        move(there, switch, listener, done.append)
    print_done(done, as_json=as_json)


def _tags(name: str, os: str, arch: str, config: Path | None) -> dict[str, str]:
    """Give what the recipe's images bear, so that their pointer is known."""
    from amiforge.cli.asked import Asked
    from amiforge.cli.choice import choose_one
    from amiforge.cli.config import load
    from amiforge.ec2.tags import ARCH, OS, RECIPE

    asked = Asked(os=[os] if os else [], arch=[arch] if arch else [])
    source = choose_one(name, load(config), asked).recipe.source
    return {RECIPE: name, OS: source.os, ARCH: source.architecture}
