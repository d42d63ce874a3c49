"""What bakes came to: each one by itself, and several as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from amiforge.bake.manifest import Manifest
from amiforge.cli.paragraph import paragraphs
from amiforge.cli.table import print_table
from amiforge.engine.display import clock
from amiforge.errors import AmiforgeError
from amiforge.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one bake of several came to: an image, or the reason why there is none."""

    recipe: str
    os: str
    architecture: str
    image: str = ""
    verified: str = ""
    checks: int = 0
    seconds: float = 0
    reason: str = ""
    exit_status: int = 0


def baked(recipe: Recipe, made: Manifest) -> Outcome:
    """Give the outcome of a bake that made an image."""
    return Outcome(
        recipe.name,
        recipe.source.os,
        recipe.source.architecture,
        image=made.image,
        verified=made.verification.outcome,
        checks=sum(check.outcome == "passed" for check in made.verification.checks),
        seconds=made.seconds,
    )


def failed(recipe: Recipe, error: AmiforgeError, seconds: float = 0) -> Outcome:
    """Give the outcome of a bake that did not."""
    return Outcome(
        recipe.name,
        recipe.source.os,
        recipe.source.architecture,
        seconds=round(seconds, 3),
        reason=": ".join(filter(None, (error.message, error.lines.get("reason", "").partition("\n")[0]))),
        exit_status=error.exit_status,
    )


def tell(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Print what several bakes came to."""
    if as_json:
        typer.echo(json.dumps({"event": "BakesFinished", "images": [asdict(each) for each in outcomes]}))
        return
    typer.echo("")
    print_table(("recipe", "os", "arch", "image", "verified", "time"), map(_row, outcomes))


def _row(each: Outcome) -> tuple[str, ...]:
    checks = f" ({each.checks} checks)" if each.checks else ""
    verified = f"{each.verified}{checks}" if each.image else each.reason
    return each.recipe, each.os, each.architecture, each.image or "-", verified, clock(each.seconds)


def as_event(made: Manifest) -> dict[str, str]:
    """Give what a bake came to as the last event; everything else is in the manifest."""
    verified = made.verification.outcome
    return {"event": "Baked", "recipe": made.recipe, "image": made.image, "region": made.region, "verified": verified}


def summary(made: Manifest, runs: str) -> Iterator[str]:
    """Give what a bake came to: the image, its verified checks, where the time went, and where all of that is told."""
    checks = made.verification.checks
    yield ""
    yield f"image     {made.image} in {made.region}"
    yield f"name      {made.image_name}"
    yield from paragraphs((f"source    {made.source.ami} {made.source.name}",), 10)
    counts = ", ".join(
        f"{count} {outcome}"
        for outcome in ("passed", "failed", "skipped")
        if (count := sum(check.outcome == outcome for check in checks))
    )
    yield f"verified  {made.verification.outcome}" + (f": {counts}" if counts else "")
    yield f"timeline  {made.seconds:.1f} s"
    for timing in made.steps:
        yield f"    {timing.seconds:7.1f} s  {timing.name}"
    report = Path(runs) / made.run / "report.html"
    if report.exists():
        yield f"report    {report}"
