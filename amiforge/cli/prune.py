"""`amiforge prune`: which images have had their time, and their removal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amiforge.cli.images import Recipe, age, as_data, condition, few
from amiforge.cli.options import ConfigFile, Json, Profile, Sandbox
from amiforge.cli.regions import Regions, open_regions
from amiforge.errors import CleanupIncomplete

if TYPE_CHECKING:
    from amiforge.cli.config import Given
    from amiforge.ec2.prune import Outcome
    from amiforge.ec2.retention import Decision, Policy
    from amiforge.ec2.session import Clients

_COLUMNS = ("name", "state", "age", "regions", "decision")

Keep = Annotated[
    int | None,
    typer.Option(
        "--keep",
        metavar="N",
        min=0,
        help="Newest images to keep of each recipe, operating system and architecture.",
        show_default="retention.keep, 3",
    ),
]
Days = Annotated[
    float | None,
    typer.Option("--unused-days", metavar="D", min=0, help="Keep what was made or launched in the last D days."),
]
Grace = Annotated[
    float | None,
    typer.Option("--grace", metavar="D", min=0, help="Disable first, and remove what was disabled for D days."),
]
Shared = Annotated[bool, typer.Option("--shared", help="Take images that are shared, too.")]
Delete = Annotated[bool, typer.Option("--delete", help="Do it; otherwise it is only said.")]


def prune(
    recipe: Recipe = "",
    keep: Keep = None,
    unused_days: Days = None,
    grace: Grace = None,
    shared: Shared = False,
    delete: Delete = False,
    region: Regions = None,
    profile: Profile = None,
    sandbox: Sandbox = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Say which images have had their time; --delete removes them. What anybody uses or a pointer names stays."""
    from amiforge.bake.giving_up import Claims
    from amiforge.cli.config import load
    from amiforge.ec2.catalogue import Search, pointer_path, read
    from amiforge.ec2.retention import Policy, decide
    from amiforge.ec2.tags import RECIPE

    settings = load(config, _flags(keep, unused_days, grace))
    rules, path = settings.retention, pointer_path(settings.publish.pointer)
    claimed = Claims(Path(settings.bake.runs)).taken
    policy = Policy(rules.keep, datetime.now(UTC), rules.unused_days, shared, rules.grace_days, claimed)
    with open_regions(region or (), profile, config, sandbox=sandbox, as_json=as_json) as there:
        found = read(there, Search({RECIPE: (recipe,) if recipe else ()}, path=path))
        decisions = decide(found.entries, policy)
        _print(decisions, policy.now, as_json=as_json)
        if found.problems:
            raise CleanupIncomplete("not every region could be looked through", left="\n".join(found.problems))
        if delete:
            _carry_out(there, decisions, policy, path, as_json=as_json)
        elif not as_json:
            typer.echo(_advice(decisions))


def _flags(keep: int | None, unused_days: float | None, grace: float | None) -> dict[str, dict[str, Given]]:
    from amiforge.cli.config import Given

    flags = {"keep": (keep, "--keep"), "unused_days": (unused_days, "--unused-days"), "grace_days": (grace, "--grace")}
    given = {name: Given(value, f"{flag} {value}") for name, (value, flag) in flags.items() if value is not None}
    return {"retention": given}


def _carry_out(
    there: Sequence[Clients], decisions: Sequence[Decision], policy: Policy, path: str, *, as_json: bool
) -> None:
    from amiforge.ec2.prune import prune as carry_out

    left: list[str] = []
    if not as_json and any(decision.action != "keep" for decision in decisions):
        typer.echo()
    for outcome in carry_out(there, decisions, policy, path):
        typer.echo(json.dumps(_outcome_as_data(outcome)) if as_json else _told(outcome))
        left += outcome.refused
    if left:
        raise CleanupIncomplete("not every image could be removed", left="\n".join(left))


def _print(decisions: Sequence[Decision], now: datetime, *, as_json: bool) -> None:
    from amiforge.cli.listing import print_listing

    if as_json:
        for decision in decisions:
            typer.echo(json.dumps(_as_data(decision)))
    elif decisions:
        print_listing(_COLUMNS, [_row(decision, now) for decision in decisions])


def _row(decision: Decision, now: datetime) -> tuple[str, ...]:
    entry = decision.entry
    told = f"{decision.action}: {', '.join(decision.why)}"
    return entry.name, condition(entry.amis[0], now), age(entry.created, now), few(entry.regions), told


def _as_data(decision: Decision) -> dict[str, Any]:
    return {"event": "Retention", "action": decision.action, "why": list(decision.why), **as_data(decision.entry)}


def _outcome_as_data(outcome: Outcome) -> dict[str, Any]:
    done = [{"region": ami.region, "id": ami.id} for ami in outcome.done]
    told = outcome.decision
    own = {"action": told.action, "why": list(told.why), "id": told.entry.id, "name": told.entry.name}
    return {"event": "Pruned", **own, "done": done, "refused": list(outcome.refused)}


def _told(outcome: Outcome) -> str:
    decision = outcome.decision
    if decision.action == "keep":
        return f"kept      {decision.entry.name}: {', '.join(decision.why)}"
    verb = "removed" if decision.action == "remove" else "disabled"
    places = ", ".join(sorted(ami.region for ami in outcome.done)) or "nowhere"
    return f"{verb:<9} {decision.entry.name} in {places}"


def _advice(decisions: Sequence[Decision]) -> str:
    counts = {action: sum(each.action == action for each in decisions) for action in ("remove", "disable", "keep")}
    if not decisions:
        return "no images"
    told = ", ".join(f"{count} to {action}" for action, count in counts.items() if count or action != "disable")
    return f"\n{told}" + ("; --delete does it" if counts["remove"] or counts["disable"] else "")
