"""`amiforge gc`: what dead runs left in EC2, and its removal."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amiforge.cli.options import ConfigFile, Json, Profile, Sandbox
from amiforge.cli.regions import Regions, open_regions
from amiforge.errors import CleanupIncomplete, ConfigError

if TYPE_CHECKING:
    from amiforge.bake.gc import Asked, Decision
    from amiforge.ec2.session import Clients

_COLUMNS = ("region", "kind", "id", "run", "role", "age", "expires", "")
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))

RunId = Annotated[
    str | None, typer.Option("--run", metavar="RUN", help="Only what this run left, whether it has expired or not.")
]
Delete = Annotated[bool, typer.Option("--delete", help="Remove it; otherwise it is only listed.")]


def gc(
    region: Regions = None,
    run: RunId = None,
    delete: Delete = False,
    profile: Profile = None,
    sandbox: Sandbox = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """List what dead runs left in EC2, found by its tags, and remove what has expired. Good images always stay."""
    from amiforge.bake.gc import Asked, survey
    from amiforge.bake.giving_up import Claims, give_up
    from amiforge.cli.config import load

    if run == "":
        raise ConfigError("--run is empty", fix="name a run, or leave --run out for all that has expired")
    settings = load(config)
    with open_regions(region or (), profile, config, sandbox=sandbox, as_json=as_json) as there:
        claims = Claims(Path(settings.bake.runs))
        asked = Asked(datetime.now(UTC), claims.taken, run or "")
        found = survey(there, asked)
        _print(found.decisions, asked.now, as_json=as_json)
        if delete and found.doomed:
            with claims.hold({thing.run for thing in found.doomed}):
                _collect(there, asked, settings.bake.terminate_deadline, as_json=as_json)
                if run and not any(decision.thing.finished for decision in found.decisions):
                    give_up(Path(settings.bake.runs) / run)
            return
        if found.problems:
            raise CleanupIncomplete("not everything could be looked through", left="\n".join(found.problems))
        if not as_json:
            typer.echo(_advice(found.decisions))


def _collect(there: Sequence[Clients], asked: Asked, deadline: float, *, as_json: bool) -> None:
    from amiforge.bake.gc import collect

    started = time.monotonic()
    gone = collect(there, asked, deadline)
    if as_json:
        typer.echo(json.dumps({"event": "LeftoversRemoved", "ids": [thing.id for thing in gone]}))
    else:
        typer.echo(f"\nremoved {len(gone)} in {time.monotonic() - started:.0f} s")


def _print(decisions: Sequence[Decision], now: datetime, *, as_json: bool) -> None:
    from amiforge.cli.table import print_table

    if as_json:
        for decision in decisions:
            typer.echo(json.dumps(_as_data(decision)))
    elif decisions:
        print_table(_COLUMNS, (_row(decision, now) for decision in decisions))


def _as_data(decision: Decision) -> dict[str, Any]:
    thing = decision.thing
    return {
        "event": "Leftover",
        "region": thing.region,
        "kind": thing.kind,
        "id": thing.id,
        "run": thing.run,
        "role": thing.role,
        "state": thing.state,
        "created": thing.created.isoformat() if thing.created else None,
        "expires": thing.expires or None,
        "action": _action(decision),
        "why": decision.why,
    }


def _row(decision: Decision, now: datetime) -> tuple[str, ...]:
    thing = decision.thing
    age = _age((now - thing.created).total_seconds()) if thing.created else "-"
    told = f"{_action(decision)}: {decision.why}"
    return thing.region, thing.kind, thing.id, thing.run, thing.role or "-", age, thing.expires or "-", told


def _action(decision: Decision) -> str:
    return "remove" if decision.remove else "keep"


def _age(seconds: float) -> str:
    """Give a length of time in its largest unit: `3 h`."""
    return next(
        (f"{seconds // each:.0f} {unit}" for unit, each in _UNITS if seconds >= each), f"{max(seconds, 0):.0f} s"
    )


def _advice(decisions: Sequence[Decision]) -> str:
    doomed = sum(decision.remove for decision in decisions)
    if not decisions:
        return "nothing is left"
    return f"\n{doomed} to remove, {len(decisions) - doomed} to keep" + ("; --delete does it" if doomed else "")
