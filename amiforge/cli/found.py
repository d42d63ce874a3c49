"""Images that need no bake, because they are there: found, published where that is lacking, and shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from amiforge.bake.hooks import commands
from amiforge.bake.reuse import Existing, find_baked
from amiforge.cli.config import Config
from amiforge.cli.outcome import Outcome
from amiforge.engine.events import StepFinished, StepStarted
from amiforge.errors import PublishIncomplete
from amiforge.recipes.recipe import Recipe

if TYPE_CHECKING:
    from amiforge.cli.where import Where


def look(recipe: Recipe, settings: Config, there: Where) -> Existing | None:
    """Give the image that a bake would only make again, published as the settings want it; None if there is none.

    Raises:
        Parked: publishing what is lacking takes longer.
        PublishIncomplete: it failed; the image is good.
    """
    started, step = time.monotonic(), "look for this very image"
    there.listener(StepStarted(step=step))
    existing = _find(recipe, settings, there)
    said = existing.image if existing else "there is none"
    there.listener(StepFinished(step=step, seconds=time.monotonic() - started, detail=said))
    if not (existing and existing.lacking):
        return existing
    _publish(existing, settings, there)
    finished = _find(recipe, settings, there)
    if not finished or finished.lacking:
        what = "; ".join(finished.lacking) if finished else "it is gone"
        raise PublishIncomplete(
            f"{existing.image} is this image already: {what}", fix=f"amiforge publish {existing.image}"
        )
    return finished


def _find(recipe: Recipe, settings: Config, there: Where) -> Existing | None:
    return find_baked(
        recipe,
        there.aws,
        publish=settings.publish,
        engine=there.engine,
        trust=there.trust,
        max_age_days=settings.bake.max_age_days,
    )


def _publish(existing: Existing, settings: Config, there: Where) -> None:
    from amiforge.bake.publishing import open_market, plan_publication, publish

    market = open_market(there.aws, settings.publish, there.listener, commands(settings.hooks))
    publish(market, plan_publication(market, existing.image), there.listener, lambda _done: None)


def outcome(recipe: Recipe, existing: Existing, seconds: float) -> Outcome:
    """Give what asking for a bake came to where an image was found."""
    source = recipe.source
    return Outcome(recipe.name, source.os, source.architecture, existing.image, "found", seconds=round(seconds, 3))


def as_event(existing: Existing) -> dict[str, Any]:
    """Give the last event of a command that found the image."""
    return {"event": "Found", **asdict(existing), "created": existing.created.isoformat()}


def summary(existing: Existing) -> Iterator[str]:
    """Say what was found, and what bakes it all the same."""
    yield ""
    yield f"{existing.image} is this image already; nothing was launched"
    yield f"name         {existing.name} in {existing.region}"
    yield f"recipe       {existing.recipe}, fingerprint {existing.fingerprint}"
    yield f"baked        {existing.created:%Y-%m-%d %H:%M} UTC by run {existing.run}"
    where = ", ".join(f"{region} {image}" for region, image in existing.published.items())
    yield f"{existing.stage:<12} {where}".rstrip()
    yield "bake anew    with --force, or a --max-age in days"
