"""`amiforge publish`: copies, shares and names an image that a bake has verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from amiforge.cli.options import ConfigFile, Json, Profile, Region, Sandbox
from amiforge.cli.publication import Ami, Channel, DryRun, Place, Pointer, To, market, print_done, print_rows

if TYPE_CHECKING:
    from amiforge.bake.publishing import Market
    from amiforge.ec2.publication.change import Done
    from amiforge.ec2.publication.plan import Publication

Share = Annotated[
    list[str] | None,
    typer.Option(
        "--share", metavar="ACCOUNT", help="Account that may launch it; repeatable.", show_default="[publish]"
    ),
]
Unverified = Annotated[bool, typer.Option("--unverified", help="Publish it although no instance of it was booted.")]


def publish(
    ami: Ami,
    to: To = None,
    share: Share = None,
    pointer: Pointer = None,
    channel: Channel = None,
    unverified: Unverified = False,
    dry_run: DryRun = False,
    region: Region = None,
    profile: Profile = None,
    sandbox: Sandbox = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Publish an image: copy it, share it, let a pointer name it. What is done already is left as it is.

    Said again after a failure, it finishes the rest. The image is not published anywhere before all its copies are
    there, and the pointers move last.
    """
    from amiforge.bake.publishing import plan_publication
    from amiforge.bake.publishing import publish as carry_out

    place = Place(region, profile, config, sandbox, as_json)
    flags = {"regions": to, "accounts": share, "pointer": pointer, "channel": channel}
    done: list[Done] = []
    with market(f"publish {ami}", place, **flags) as (there, listener):
        wanted = plan_publication(there, ami, unverified=unverified)
        if dry_run:
            _print_plan(there, wanted, as_json=as_json)
            return
        carry_out(there, wanted, listener, done.append)
    print_done(done, as_json=as_json)


def _print_plan(there: Market, wanted: Publication, *, as_json: bool) -> None:
    from amiforge.ec2.publication.regional_image import find_here

    images = {name: find_here(clients, wanted.image.id) for name, clients in there.regions.items()}
    rows = [(name, image.id if image else "", [*wanted.steps(name)]) for name, image in images.items()]
    print_rows(rows, as_json=as_json, event="Planned")
