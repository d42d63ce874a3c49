"""`amiforge promote`: the pointer of a channel names an image that is published already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from amiforge.cli.options import ConfigFile, Json, Profile, Region, Sandbox
from amiforge.cli.publication import Ami, DryRun, Place, Pointer, To, market, print_done, print_switch

if TYPE_CHECKING:
    from amiforge.ec2.publication.change import Done

Channel = Annotated[
    str, typer.Option("--channel", metavar="NAME", help="Channel whose pointer is to name it.", show_default=False)
]


def promote(
    ami: Ami,
    channel: Channel,
    to: To = None,
    pointer: Pointer = None,
    dry_run: DryRun = False,
    region: Region = None,
    profile: Profile = None,
    sandbox: Sandbox = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Let the pointer of a channel name a published image, in all regions; nothing is copied.

    No pointer moves unless the image is available in all of them.
    """
    from amiforge.bake.publishing import move, plan_promotion

    place = Place(region, profile, config, sandbox, as_json)
    done: list[Done] = []
    with market(f"promote {ami}", place, regions=to, pointer=pointer, channel=channel) as (there, listener):
        switch = plan_promotion(there, ami)
        if dry_run:
            print_switch(switch, as_json=as_json)
            return
        move(there, switch, listener, done.append)
    print_done(done, as_json=as_json)
