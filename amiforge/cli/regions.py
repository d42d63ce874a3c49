"""In which regions a command looks: those asked for, or where images of ours are by the settings."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from amiforge.ec2.poll import Pace
    from amiforge.ec2.session import Clients
    from amiforge.engine.events import Listener

_EVERYWHERE = "all"

Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        metavar="REGION|all",
        help="Region to look in, or all that are enabled for the account; repeatable.",
        show_default="the configured one, and those of [publish]",
    ),
]


@contextmanager
def open_regions(
    names: Sequence[str], profile: str | None, config: Path | None, *, sandbox: bool, as_json: bool
) -> Iterator[tuple[Clients, ...]]:
    """Give the clients of every region asked for; with none asked for, of those that the settings bake and publish in.

    Raises:
        ConfigError: a name is none of a region.
    """
    from amiforge.cli.config import aws_flags, load
    from amiforge.cli.where import ec2
    from amiforge.ec2.leftovers import regions
    from amiforge.ec2.session import open_clients

    settings = load(config, aws_flags(None, profile))
    asked = names or settings.publish.regions
    named = [load(config, aws_flags(name, profile)).aws.region for name in asked if name != _EVERYWHERE]
    listener = _listener(as_json=as_json)
    with ec2(settings, listener, sandbox=sandbox) as there:
        pace = _pace(listener)
        here = open_clients(there.aws, pace)
        if _EVERYWHERE in names:
            named = [*regions(here)]
        wanted = dict.fromkeys(named if names else [here.region, *named])
        yield tuple(open_clients(there.aws.model_copy(update={"region": name}), pace) for name in wanted)


def _listener(*, as_json: bool) -> Listener:
    """Give who tells what is going on; the list itself has standard output to itself, but for programs."""
    from amiforge.cli.lines import JsonLines, PlainLines

    return JsonLines(sys.stdout).see if as_json else PlainLines(sys.stderr).see


def _pace(listener: Listener) -> Pace:
    from amiforge.ec2.poll import Pace
    from amiforge.engine.events import Waiting

    return Pace(on_wait=lambda what, seconds, detail: listener(Waiting(what=what, seconds=seconds, detail=detail)))
