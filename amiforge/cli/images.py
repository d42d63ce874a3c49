"""`amiforge images`: which images of ours there are, where, how old, and who uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amiforge.cli.options import Arch, ConfigFile, Json, Os, Profile, Sandbox, complete_recipe
from amiforge.cli.regions import Regions, open_regions
from amiforge.errors import AwsRefused

if TYPE_CHECKING:
    from amiforge.ec2.catalogue import Ami, Entry

_COLUMNS = ("name", "recipe", "os", "state", "age", "regions", "shared with", "last launched")
#: Of a list in a cell, so many are shown.
_SHOWN = 3
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))

Recipe = Annotated[
    str,
    typer.Argument(metavar="RECIPE", help="Of this recipe only.", autocompletion=complete_recipe, show_default=False),
]
State = Annotated[
    list[str] | None,
    typer.Option("--state", metavar="STATE", help="In this state only, as published; repeatable."),
]
Long = Annotated[bool, typer.Option("--long", help="Everything about each: ids, pointers, who uses it.")]


def images(
    recipe: Recipe = "",
    os: Os = None,
    arch: Arch = None,
    state: State = None,
    region: Regions = None,
    long: Long = False,
    profile: Profile = None,
    sandbox: Sandbox = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """List the images that bakes made, newest first, each with its copies in other regions."""
    from amiforge.cli.config import load
    from amiforge.ec2.catalogue import Search, pointer_path, read
    from amiforge.ec2.tags import ARCH, OS, RECIPE

    tags = {RECIPE: (recipe,) if recipe else (), OS: _named(os), ARCH: _named(arch)}
    with open_regions(region or (), profile, config, sandbox=sandbox, as_json=as_json) as there:
        found = read(there, Search(tags, path=pointer_path(load(config).publish.pointer)))
    wanted = tuple(entry for entry in found.entries if not state or entry.stage in state)
    _print(wanted, long=long, as_json=as_json)
    doubts = dict.fromkeys(f"{ami.region}: {said}" for each in wanted for ami in each.amis for said in ami.doubts)
    if doubts and not as_json:
        typer.echo("\n".join(("who uses them is not fully known:", *doubts)), err=True)
    if found.problems:
        raise AwsRefused("not every region could be looked through", refused="\n".join(found.problems))


def _named(names: Sequence[str] | None) -> tuple[str, ...]:
    return () if not names or "all" in names else tuple(names)


def _print(entries: Sequence[Entry], *, long: bool, as_json: bool) -> None:
    from amiforge.cli.listing import print_listing

    now = datetime.now(UTC)
    if as_json:
        for entry in entries:
            typer.echo(json.dumps({"event": "Image", **as_data(entry)}))
    elif long:
        typer.echo("\n\n".join("\n".join(_described(entry, now)) for entry in entries))
    elif entries:
        print_listing(_COLUMNS, [_row(entry, now) for entry in entries])
    else:
        typer.echo("no images")


def _row(entry: Entry, now: datetime) -> tuple[str, ...]:
    plain = (entry.recipe, f"{entry.os} {entry.arch}".strip(), condition(entry.amis[0], now))
    launched = age(entry.launched, now) if entry.launched else "never"
    cells = (*plain, age(entry.created, now), few(entry.regions), few(entry.shared), launched)
    return entry.name, *(cell or "-" for cell in cells)


def condition(ami: Ami, now: datetime) -> str:
    """Give how far an image has come, and what EC2 says of it besides that it is available."""
    told = [ami.stage or "unknown"]
    if ami.deprecated and ami.deprecated <= now:
        told.append("deprecated")
    if ami.state != "available":
        told.append(ami.state)
    return "\n".join(told)


def few(names: Sequence[str]) -> str:
    """Give the first names of a list, one a line, and how many more there are."""
    shown = [name.rpartition("/")[2] for name in names[:_SHOWN]]
    return "\n".join((*shown, f"+{len(names) - _SHOWN} more") if len(names) > _SHOWN else shown)


def age(since: datetime, now: datetime) -> str:
    """Give how long ago something was, in its largest unit: `3 h`."""
    seconds = (now - since).total_seconds()
    return next((f"{seconds // each:.0f} {unit}" for unit, each in _UNITS if seconds >= each), "0 min")


def _described(entry: Entry, now: datetime) -> Iterator[str]:
    yield entry.name
    told = {
        "recipe": " ".join(filter(None, (entry.recipe, entry.os, entry.arch, *entry.channels))),
        "run": entry.run,
        "made": f"{entry.created:%Y-%m-%d %H:%M} UTC, of {entry.source or 'an unknown image'}",
        "launched": f"{entry.launched:%Y-%m-%d %H:%M} UTC" if entry.launched else "never",
        "fingerprint": entry.fingerprint,
    }
    yield from _labelled(told, "  ")
    for ami in entry.amis:
        yield f"  {ami.region}  {ami.id}  {condition(ami, now).replace(chr(10), ', ')}"
        about = {
            "size": f"{ami.size} GiB{', encrypted' if ami.encrypted else ''}",
            "protected": "yes" if ami.protected else "",
            "deprecated": f"{ami.deprecated:%Y-%m-%d}" if ami.deprecated else "",
            **{name: "\n".join(getattr(ami, name)) for name in ("shared", "pointers", "users", "doubts")},
        }
        yield from _labelled(about, "    ")


def _labelled(told: Mapping[str, str], indent: str) -> Iterator[str]:
    for label, text in told.items():
        if text:
            yield f"{indent}{label:<12}" + text.replace("\n", f"\n{indent}{'':<12}")


def as_data(entry: Entry) -> dict[str, Any]:
    """Give everything about an image and its copies as JSON can carry it."""
    own = ("id", "name", "recipe", "os", "arch", "run", "fingerprint", "source")
    return {
        **{name: getattr(entry, name) for name in own},
        "channels": list(entry.channels),
        "state": entry.stage,
        "created": entry.created.isoformat(),
        "launched": entry.launched.isoformat() if entry.launched else None,
        "regions": list(entry.regions),
        "shared": list(entry.shared),
        "copies": [_copy_as_data(ami) for ami in entry.amis],
    }


def _copy_as_data(ami: Ami) -> dict[str, Any]:
    plain = ("region", "id", "name", "protected", "size", "encrypted")
    lists = ("shared", "snapshots", "pointers", "users", "doubts")
    times = ("created", "launched", "deprecated")
    return {
        **{name: getattr(ami, name) for name in plain},
        "ec2_state": ami.state,
        "state": ami.stage,
        **{name: list(getattr(ami, name)) for name in lists},
        **{name: at.isoformat() if (at := getattr(ami, name)) else None for name in times},
    }
