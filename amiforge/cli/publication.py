"""What the commands that publish have in common: their settings, regions, and table of what was done where."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amiforge.errors import ConfigError

if TYPE_CHECKING:
    from amiforge.bake.publishing import Market
    from amiforge.cli.config import Given
    from amiforge.ec2.publication.change import Done
    from amiforge.ec2.publication.switch import Switch
    from amiforge.engine.events import Listener

_COLUMNS = ("region", "image", "")

Ami = Annotated[str, typer.Argument(metavar="AMI", help="Id of the image, in the region where it was baked.")]
To = Annotated[
    list[str] | None,
    typer.Option("--to", metavar="REGION", help="Region beside the image's own; repeatable.", show_default="[publish]"),
]
Pointer = Annotated[
    str | None, typer.Option("--pointer", metavar="PATH", help="Path of the pointer.", show_default="[publish]")
]
Channel = Annotated[
    str | None, typer.Option("--channel", metavar="NAME", help="Channel of the pointer.", show_default="[publish]")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command finds AWS and its settings."""

    region: str | None
    profile: str | None
    config: Path | None
    sandbox: bool
    as_json: bool


@contextmanager
def market(title: str, place: Place, **flags: str | Sequence[str] | None) -> Iterator[tuple[Market, Listener]]:
    """Give all regions of [publish], as flags change it, and who is told what goes on.

    Raises:
        ConfigError: a setting or flag is impossible.
    """
    from amiforge.bake.hooks import commands
    from amiforge.bake.publishing import open_market
    from amiforge.cli.config import aws_flags, load
    from amiforge.cli.console import listening
    from amiforge.cli.where import ec2

    given = {**aws_flags(place.region, place.profile), "publish": dict(_given(flags))}
    settings = load(place.config, given)
    with (
        listening(title, json=place.as_json, aside=True) as listener,
        ec2(settings, listener, sandbox=place.sandbox) as there,
    ):
        yield open_market(there.aws, settings.publish, listener, commands(settings.hooks)), listener


def _given(flags: Mapping[str, str | Sequence[str] | None]) -> Iterator[tuple[str, Given]]:
    from amiforge.cli.config import Given

    words = {"regions": "--to", "accounts": "--share"}
    for name, value in flags.items():
        if value is None or value == []:
            continue
        flag = words.get(name, f"--{name}")
        if "" in (value, *value):
            raise ConfigError(f"{flag} is empty", fix=f"give a value, or leave {flag} out")
        yield name, Given(value, flag)


def print_done(done: Sequence[Done], *, as_json: bool) -> None:
    """Print what was done: a row for each image in a region."""
    by_image: dict[tuple[str, str], list[str]] = {}
    for each in done:
        by_image.setdefault((each.region, each.image), []).append(each.what)
    print_rows([(region, image, what) for (region, image), what in by_image.items()], as_json=as_json)


def print_rows(rows: Sequence[tuple[str, str, Sequence[str]]], *, as_json: bool, event: str = "Done") -> None:
    """Print a row for each image in a region, as a table or as JSON lines."""
    from amiforge.cli.table import print_table

    if as_json:
        for region, image, what in rows:
            typer.echo(json.dumps({"event": event, "region": region, "image": image, "what": [*what]}))
    elif rows:
        print_table(_COLUMNS, ((region, image or "-", "\n".join(what)) for region, image, what in rows))
    else:
        typer.echo("nothing to do: all is as wanted")


def print_switch(switch: Switch, *, as_json: bool) -> None:
    """Print what moving a pointer would do."""
    rows: list[tuple[str, str, Any]] = []
    for region, image in switch.images.items():
        rows.append((region, image.id, [f"named by {switch.path}/current"]))
        if behind := switch.behind[region]:
            rows.append((region, behind, [f"named by {switch.path}/previous"]))
    print_rows(rows, as_json=as_json, event="Planned")
