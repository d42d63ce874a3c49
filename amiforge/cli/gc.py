"""`amiforge gc`: what dead runs left in EC2, and its removal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amiforge.cli.options import ConfigFile, Json, Profile, Sandbox
from amiforge.errors import CleanupIncomplete, ConfigError

if TYPE_CHECKING:
    from amiforge.bake.gc import Asked, Decision
    from amiforge.ec2.poll import Pace
    from amiforge.ec2.session import Clients
    from amiforge.engine.events import Listener

_EVERYWHERE = "all"
_COLUMNS = ("region", "kind", "id", "run", "role", "age", "expires", "")
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))

Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        metavar="REGION|all",
        help="Region to look in, or all that are enabled for the account; repeatable.",
        show_default="the configured one",
    ),
]
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
    from amiforge.bake.gc import GOOD, Asked, survey
    from amiforge.bake.giving_up import Claims, give_up
    from amiforge.cli.config import load

    if run == "":
        raise ConfigError("--run is empty", fix="name a run, or leave --run out for all that has expired")
    settings = load(config)
    with _regions(region or (), profile, config, sandbox=sandbox, as_json=as_json) as there:
        claims = Claims(Path(settings.bake.runs))
        asked = Asked(datetime.now(UTC), claims.taken, run or "")
        found = survey(there, asked)
        _print(found.decisions, asked.now, as_json=as_json)
        if delete and found.doomed:
            with claims.hold({thing.run for thing in found.doomed}):
                _collect(there, asked, settings.bake.terminate_deadline, as_json=as_json)
                if run and not any(decision.why in GOOD for decision in found.decisions):
                    give_up(Path(settings.bake.runs) / run)
            return
        if found.problems:
            raise CleanupIncomplete("not everything could be looked through", left="\n".join(found.problems))
        if not as_json:
            typer.echo(_advice(found.decisions))


@contextmanager
def _regions(
    names: Sequence[str], profile: str | None, config: Path | None, *, sandbox: bool, as_json: bool
) -> Iterator[tuple[Clients, ...]]:
    """Give the clients of every region asked for, or of the configured one.

    Raises:
        ConfigError: a name is none of a region.
    """
    from amiforge.cli.config import aws_flags, load
    from amiforge.cli.where import ec2
    from amiforge.ec2.leftovers import regions
    from amiforge.ec2.session import open_clients

    named = [load(config, aws_flags(name, profile)).aws.region for name in names if name != _EVERYWHERE]
    listener = _listener(as_json=as_json)
    with ec2(load(config, aws_flags(None, profile)), listener, sandbox=sandbox) as there:
        pace = _pace(listener)
        if _EVERYWHERE in names:
            named = [*regions(open_clients(there.aws, pace))]
        wanted = dict.fromkeys(named or [there.aws.region])
        yield tuple(open_clients(there.aws.model_copy(update={"region": name}), pace) for name in wanted)


def _listener(*, as_json: bool) -> Listener:
    """Give who tells what is going on; the list itself has standard output to itself, but for programs."""
    from amiforge.cli.lines import JsonLines, PlainLines

    return JsonLines(sys.stdout).see if as_json else PlainLines(sys.stderr).see


def _pace(listener: Listener) -> Pace:
    from amiforge.ec2.poll import Pace
    from amiforge.engine.events import Waiting

    return Pace(on_wait=lambda what, seconds, detail: listener(Waiting(what=what, seconds=seconds, detail=detail)))


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
