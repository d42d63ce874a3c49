"""Opening a run: a new one, or one that another process began, with all it works with."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from amiforge.bake.claim import claim
from amiforge.bake.history import History
from amiforge.bake.journal import NAME, Journal
from amiforge.bake.log import EventLog
from amiforge.bake.manifest import described
from amiforge.bake.run import Means, Run, expiry, new_id
from amiforge.bake.state import State
from amiforge.ec2.image import image_name
from amiforge.ec2.publication.plan import refuse_contradictions
from amiforge.ec2.session import Clients, open_clients
from amiforge.ec2.tags import ARCH, OS, RECIPE, Tags
from amiforge.engine.discretion import Discreet
from amiforge.engine.events import Listener, Waiting
from amiforge.recipes.recipe import Recipe
from amiforge.redaction import Redaction, secrets_in
from amiforge.settings import AwsSettings, BakeSettings, EngineSettings, PublishSettings


@contextmanager
def open_run(  # noqa: PLR0913, PLR0917 - a run is made of all of them
    recipe: Recipe,
    aws: AwsSettings,
    settings: BakeSettings,
    engine: EngineSettings,
    listener: Listener,
    means: Means,
    asked: Mapping[str, Any],
    publish: PublishSettings | None = None,
) -> Iterator[Run]:
    """Give a new run with its folder, journal, event log and clients.

    Raises:
        RunBusy: another process here bakes the same image.
        ConfigError: the image's name is none, there is no region, the settings for publishing contradict each other,
            or the run's folder cannot be made.
    """
    run_id = new_id()
    source = recipe.source
    name = image_name(settings.image_name, recipe=recipe.name, os=source.os, arch=source.architecture, run=run_id)
    folder = Path(settings.runs) / run_id
    redaction = Redaction(secrets_in(recipe))
    journal = Journal(folder / NAME, redaction)
    clients = open_clients(aws, on_call=journal.call, on_secret=redaction.learn)
    about = {RECIPE: recipe.name, OS: source.os, ARCH: source.architecture}
    refuse_contradictions(publish or PublishSettings(), clients.region, about)
    if settings.checks:
        from amiforge.verify.own import refuse_missing  # noqa: PLC0415 - brings pytest

        refuse_missing(settings.checks)
    tags = Tags(run_id, expiry(settings.lifetime + settings.capacity_patience), settings.tags)
    with (
        redaction.masking(),
        claim(_place(recipe, settings, clients), f"an image of {recipe.name} on {source.os}", run_id),
        claim(folder / "claim", f"run {run_id}", run_id),
    ):
        where = {"region": clients.region, "endpoint": aws.endpoint_url, "profile": aws.profile}
        things = {"image": name, "expires": tags.expires, "tags": settings.tags}
        journal.begin(run=run_id, **_wanted(recipe), asked=asked, **where, **things, **_us())
        with _hearing(folder, listener, redaction) as discreet:
            open_in = _opener(aws, journal, redaction, settings, discreet)
            yield Run(
                id=run_id,
                recipe=recipe,
                folder=folder,
                clients=_paced(clients, settings, discreet),
                journal=journal,
                listener=discreet,
                tags=tags,
                image_name=name,
                settings=settings,
                engine=engine,
                means=means,
                state=State(),
                started=time.time(),
                redaction=redaction,
                publish=publish or PublishSettings(),
                aws=aws,
                open_in=open_in,
                asked=asked,
            )


@contextmanager
def reopen_run(  # noqa: PLR0913, PLR0917 - as above
    history: History,
    recipe: Recipe,
    aws: AwsSettings,
    settings: BakeSettings,
    engine: EngineSettings,
    listener: Listener,
    means: Means,
    publish: PublishSettings | None = None,
) -> Iterator[Run]:
    """Give a run that another process began, as far as that one came.

    Raises:
        RunBusy: a living process works on it, or bakes the same image.
        ConfigError: its journal cannot be read or written.
    """
    redaction = Redaction(secrets_in(recipe))
    journal = Journal(history.folder / NAME, redaction)
    place = aws.model_copy(update={"region": history.region})
    clients = open_clients(place, on_call=journal.call, on_secret=redaction.learn)
    with (
        redaction.masking(),
        claim(history.folder / "claim", f"run {history.run}", history.run),
        claim(_place(recipe, settings, clients), f"an image of {recipe.name} on {recipe.source.os}", history.run),
    ):
        expires = history.expires if history.unanswered else expiry(settings.lifetime + settings.capacity_patience)
        journal.go_on(expires=expires, **_us())
        with _hearing(history.folder, listener, redaction) as discreet:
            open_in = _opener(aws, journal, redaction, settings, discreet)
            yield Run(
                id=history.run,
                recipe=recipe,
                folder=history.folder,
                clients=_paced(clients, settings, discreet),
                journal=journal,
                listener=discreet,
                tags=Tags(history.run, expires, history.tags),
                image_name=history.image_name,
                settings=settings,
                engine=engine,
                means=means,
                state=State.recall(history.known),
                started=history.started,
                redaction=redaction,
                publish=publish or PublishSettings(),
                aws=aws,
                open_in=open_in,
                asked=history.asked,
            )


@contextmanager
def _hearing(folder: Path, listener: Listener, redaction: Redaction) -> Iterator[Listener]:
    """Give the listener of a run: everything is masked, written down, and handed on."""
    with EventLog(folder / "events.jsonl", listener) as log:
        yield Discreet(log, redaction)


def _place(recipe: Recipe, settings: BakeSettings, clients: Clients) -> Path:
    """Give the file that whoever bakes this very image here and now holds."""
    wanted = json.dumps([clients.region, clients.ec2.meta.endpoint_url, described(recipe)], sort_keys=True)
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:12]
    return Path(settings.runs) / ".claims" / f"{recipe.name}-{recipe.source.os}-{digest}"


def _wanted(recipe: Recipe) -> dict[str, Any]:
    """Give what is baked, as the journal's first line says it."""
    source = recipe.source
    return {"recipe": recipe.name, "os": source.os, "arch": source.architecture, "options": described(recipe)}


def _us() -> dict[str, Any]:
    return {"amiforge": version("amiforge"), "pid": os.getpid(), "host": socket.gethostname()}


def _opener(
    aws: AwsSettings, journal: Journal, redaction: Redaction, settings: BakeSettings, listener: Listener
) -> Callable[[str], Clients]:
    """Give what opens the clients of another region."""

    @cache
    def open_in(region: str) -> Clients:
        place = aws.model_copy(update={"region": region})
        return _paced(open_clients(place, on_call=journal.call, on_secret=redaction.learn), settings, listener)

    return open_in


def _paced(clients: Clients, settings: BakeSettings, listener: Listener) -> Clients:
    """Give the clients with a pace of which the listener hears."""

    def on_wait(what: str, seconds: float, detail: str) -> None:
        listener(Waiting(what=what, seconds=seconds, detail=detail))

    return replace(clients, pace=replace(clients.pace, longest=settings.poll, on_wait=on_wait))
