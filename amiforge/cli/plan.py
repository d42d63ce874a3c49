"""`amiforge plan`: what would be done, without doing it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amiforge.cli.options import (
    Allow,
    Arch,
    ConfigFile,
    HostName,
    Instances,
    Json,
    KeyFile,
    Os,
    Profile,
    RecipeName,
    Region,
    Sandbox,
    Set,
    Versions,
)
from amiforge.errors import ConfigError
from amiforge.redaction import Redaction, secrets_in

if TYPE_CHECKING:
    from amiforge.cli.choice import Chosen
    from amiforge.cli.config import Config
    from amiforge.engine.plan import Plan, Planned
    from amiforge.engine.resource import Value
    from amiforge.recipes.recipe import Recipe

Aws = Annotated[bool, typer.Option("--aws", help="Ask AWS everything that can be known before a bake.")]
Policy = Annotated[bool, typer.Option("--policy", help="Print the IAM policy that a bake needs, and nothing else.")]

#: What is shown of a value: as much as stays readable on one line.
_LONGEST = 100
_SHA256 = re.compile("[0-9a-f]{64}")


def plan(
    recipe: RecipeName,
    host: HostName = None,
    key: KeyFile = None,
    changes: Set = None,
    os: Os = None,
    arch: Arch = None,
    versions: Versions = None,
    instances: Instances = None,
    allow: Allow = None,
    config: ConfigFile = None,
    aws: Aws = False,
    policy: Policy = False,
    region: Region = None,
    profile: Profile = None,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> int:
    """Say what would be done: to a host, by a bake, or without either, all that the recipe consists of."""
    from amiforge.cli.asked import Asked
    from amiforge.cli.choice import choose, choose_one
    from amiforge.cli.compatibility import admit
    from amiforge.cli.config import aws_flags, load
    from amiforge.recipes.outline import outline

    settings = load(config, aws_flags(region, profile))
    if host is not None and (aws or sandbox or policy):
        raise ConfigError("--host asks a machine, and --aws, --sandbox and --policy are about a bake", fix="give one")
    asked = Asked(changes or (), os or (), arch or (), versions or "", instances or (), allow or ())
    if aws or sandbox or policy:
        return _before_a_bake(
            choose([recipe], settings, asked), settings, policy=policy, sandbox=sandbox, as_json=as_json
        )
    if host is None:
        for chosen in (each.recipe for each in choose([recipe], settings, asked)):
            admit(chosen)
            _print(outline(chosen), chosen, asked=False, as_json=as_json)
        return 0
    chosen = choose_one(recipe, settings, asked).recipe
    found = _ask(host, key, chosen, settings)
    _print(found, chosen, asked=True, as_json=as_json)
    admit(chosen, found.system)
    return 0


def _before_a_bake(found: Sequence[Chosen], settings: Config, *, policy: bool, sandbox: bool, as_json: bool) -> int:
    from amiforge.cli import preflight

    if policy:
        typer.echo("\n".join(preflight.policy(each, settings) for each in found))
        return 0
    ends = [preflight.tell_all(each, settings, sandbox=sandbox, as_json=as_json) for each in found]
    return next(filter(None, ends), 0)


def _ask(host: str, key: Path | None, recipe: Recipe, settings: Config) -> Plan:
    from amiforge.cli.machine import connected
    from amiforge.engine import apply
    from amiforge.engine.lockfile import Lockfile

    trust = Lockfile(Path(settings.engine.lock_file)).trust()
    with connected(host, key, settings) as machine:
        return apply.plan(machine, recipe.tasks, settings=settings.engine, trust=trust)


def _print(found: Plan, recipe: Recipe, *, asked: bool, as_json: bool) -> None:
    from amiforge.cli.paragraph import paragraphs

    redaction = Redaction(secrets_in(recipe))
    data = (json.dumps(redaction.data(each)) for each in as_data(found))
    typer.echo("\n".join(data if as_json else paragraphs(map(redaction.text, describe(found, asked=asked)))))


def as_data(plan: Plan) -> Iterator[dict[str, Any]]:
    """Give a plan as plain data, one object a resource."""
    for planned in plan.items:
        yield {
            "task": planned.item.task,
            "resource": planned.item.resource.name,
            "where": planned.item.where,
            "differences": {each.key: [each.actual, each.desired] for each in planned.differences},
            "changes": [change.summary for change in planned.changes],
            "unknown": planned.unknown,
        }


def describe(plan: Plan, *, asked: bool) -> Iterator[str]:
    """Give a plan as lines of text: what differs on a host that was `asked`, else all that the tasks consist of."""
    shown = plan.pending if asked else plan.items
    system = plan.system
    yield f"{system.os.name} {system.arch}" + (f", kernel {system.kernel}" if system.kernel else "")
    for task, group in groupby(shown, key=lambda planned: planned.item.task):
        yield from ("", task)
        for planned in group:
            yield from _resource(planned, plan, asked=asked)
    yield ""
    if asked:
        yield f"{len(plan.pending)} of {len(plan.items)} resources to change" if plan else "nothing to do"
    else:
        yield f"{len(plan.items)} resources; no host was asked, so what is already there is not known"


def _resource(planned: Planned, plan: Plan, *, asked: bool) -> Iterator[str]:
    resource = planned.item.resource
    if not asked:
        yield f"  {resource.name}"
        for key, value in resource.desired(plan.system).items():
            yield f"      {key} = {_value(value)}"
        return
    yield f"  {'?' if planned.unknown else '~'} {resource.name}"
    if planned.unknown:
        yield f"      unknown until applied: {planned.unknown}"
    for each in planned.differences:
        yield f"      {each.key}: {_value(each.actual)} -> {_value(each.desired)}"
    for change in planned.changes:
        yield f"      > {change.summary}"


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    if _SHA256.fullmatch(text):
        return f"sha256 {text[:12]}…"
    line, newline, _ = text.partition("\n")
    if newline or len(line) > _LONGEST:
        return f"{line[:_LONGEST]}…"
    return line if value not in (None, "") else "none"
