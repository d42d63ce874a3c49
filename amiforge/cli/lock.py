"""`amiforge lock`: record what downloads and signing keys are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amiforge.cli.options import Arch, ConfigFile, Json, Os, RecipeNames, Sandbox, Set, Versions
from amiforge.errors import ChecksumMismatch, Unreachable

if TYPE_CHECKING:
    from amiforge.cli.config import Config
    from amiforge.recipes.lock import Entry

#: Ends the name of the lock file for what the sandbox serves.
SANDBOX_SUFFIX = ".sandbox"


def lock(
    recipes: RecipeNames,
    os: Os = None,
    arch: Arch = None,
    versions: Versions = None,
    changes: Set = None,
    update: Annotated[bool, typer.Option("--update", help="Record anew what has changed since.")] = False,
    sandbox: Sandbox = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Record digests of downloads and fingerprints of keys that the code does not know, by fetching them here.

    Without --os and --arch, those of every system that the recipes are for.
    Bakes enforce what amiforge.lock says; keep it under version control. With --sandbox, what the sandbox serves is
    recorded, in a file of its own: its stand-ins are not what vendors publish.
    """
    from amiforge.cli.asked import Asked
    from amiforge.cli.choice import ALL, choose
    from amiforge.cli.config import load
    from amiforge.engine.lockfile import Lockfile
    from amiforge.recipes.lock import lock as record
    from amiforge.recipes.supply import downloads

    settings = load(config)
    asked = Asked(changes or [], os or [ALL], arch or [ALL], versions or "")
    chosen = choose(recipes, settings, asked)
    found = dict.fromkeys(download for each in chosen for download in downloads(each.recipe))
    lockfile = Lockfile(Path(settings.engine.lock_file + (SANDBOX_SUFFIX if sandbox else "")))
    entries = []
    with _mirror(settings, sandbox=sandbox) as mirror:
        for entry in record(found, lockfile, mirror=mirror, update=update):
            typer.echo(json.dumps(as_data(entry)) if as_json else row(entry))
            entries.append(entry)
    if not as_json:
        typer.echo(summary(entries, str(lockfile.path)))
    _refuse(entries, update=update)


@contextmanager
def _mirror(settings: Config, *, sandbox: bool) -> Iterator[str]:
    from amiforge.cli.where import ec2
    from amiforge.engine.events import silent

    with ec2(settings, silent, sandbox=sandbox) as there:
        yield there.engine.mirror


def as_data(entry: Entry) -> dict[str, str]:
    """Give an entry as plain data."""
    return {
        "status": entry.status,
        "kind": entry.download.kind,
        "url": entry.download.url,
        "value": entry.value,
        "was": entry.was,
    }


def row(entry: Entry) -> str:
    """Give an entry as a line, and what it was as another."""
    value = f"{entry.value[:16]}…" if entry.download.kind == "file" and entry.status != "failed" else entry.value
    was = f"\n{'':<17}was {entry.was}" if entry.was and entry.status == "changed" else ""
    shown = entry.value if was else value
    return f"{entry.status:<9} {entry.download.kind:<5}  {entry.download.url}  {shown}{was}"


def summary(entries: Sequence[Entry], path: str) -> str:
    """Give how many entries there are of each kind."""
    counts = Counter(entry.status for entry in entries)
    return f"{path}: " + (", ".join(f"{count} {status}" for status, count in counts.items()) or "nothing to record")


def _refuse(entries: Sequence[Entry], *, update: bool) -> None:
    changed = [entry for entry in entries if entry.status == "changed"]
    if changed and not update:
        raise ChecksumMismatch(
            f"{len(changed)} downloads are not what was recorded",
            changed="\n".join(entry.download.url for entry in changed),
            fix="find out why; --update records what they are now",
        )
    if failed := [entry for entry in entries if entry.status == "failed"]:
        raise Unreachable(f"{len(failed)} downloads could not be recorded", fix="run it again when they can be had")
