"""The bake itself: the loop over the steps, and what happens when one of them fails."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from amiforge.bake.cleanup import remove_all
from amiforge.bake.journal import Journal
from amiforge.bake.log import EventLog
from amiforge.bake.manifest import Manifest, Notes, manifest
from amiforge.bake.run import Means, Run, expiry, new_id
from amiforge.bake.step import Step
from amiforge.bake.steps import STEPS
from amiforge.ec2.image import image_name
from amiforge.ec2.session import Clients, open_clients
from amiforge.ec2.tags import Tags
from amiforge.engine.events import Listener, StepFinished, StepStarted, Waiting, silent
from amiforge.errors import AmiforgeError, CleanupIncomplete
from amiforge.recipes.compatibility import require
from amiforge.recipes.recipe import Recipe
from amiforge.settings import AwsSettings, BakeSettings, EngineSettings


def bake(  # noqa: PLR0913 - two things are needed, and each of the others may be left out
    recipe: Recipe,
    aws: AwsSettings,
    *,
    settings: BakeSettings | None = None,
    engine: EngineSettings | None = None,
    listener: Listener = silent,
    means: Means | None = None,
) -> Manifest:
    """Bake a recipe's image: launch, provision, prove, clean, image, verify. Leaves the image and nothing else.

    However it ends, everything it made is removed again; the image stays if all steps succeeded. With
    `settings.on_failure` "keep", a failed bake leaves what can still be logged in to, and says how.

    Args:
        recipe: what to bake.
        aws: where.
        settings: names, deadlines, and what happens on failure.
        engine: how work on the builder is paced.
        listener: told of every step, task and check.
        means: how instances are connected to, provisioned and verified.

    Raises:
        CompatibilityError: parts of the recipe do not go together; nothing was done.
        RecipeError: nothing is known of a download, and `engine.require_digests` wants that; nothing was done.
        AmiforgeError: a step failed; the line `left` names what could not be removed, `log_in` and `remove` what was
            kept.
        CleanupIncomplete: the image is good, but something else could not be removed.
        KeyboardInterrupt: Ctrl-C, or a signal that ends programs.
    """
    engine, means = engine or EngineSettings(), means or Means()
    require(recipe)
    means.refuse_unproven(recipe, engine)
    started, notes = time.time(), Notes(listener)
    opened = open_run(recipe, aws, settings or BakeSettings(), engine, notes, means)
    with opened as run, signals_interrupt():
        walk(run, STEPS)
        try:
            result = manifest(run, notes, started, time.time())
            result.write(run.folder / "manifest.json")
        finally:
            finish(run, STEPS)
    return result


@contextmanager
def open_run(  # noqa: PLR0913, PLR0917 - a run is made of all of them
    recipe: Recipe, aws: AwsSettings, settings: BakeSettings, engine: EngineSettings, listener: Listener, means: Means
) -> Iterator[Run]:
    """Give a new run with its folder, journal, event log and clients."""
    run_id = new_id()
    source = recipe.source
    name = image_name(settings.image_name, recipe=recipe.name, os=source.os, arch=source.architecture, run=run_id)
    folder = Path(settings.runs) / run_id
    journal = Journal(folder / "journal.jsonl")
    clients = open_clients(aws, on_call=journal.call)
    journal.begin(run=run_id, recipe=recipe.name, region=clients.region, image=name)
    with EventLog(folder / "events.jsonl", listener) as log:
        yield Run(
            id=run_id,
            recipe=recipe,
            folder=folder,
            clients=_heard(clients, settings, log),
            journal=journal,
            listener=log,
            tags=Tags(run_id, expiry(settings.lifetime), settings.tags),
            image_name=name,
            settings=settings,
            engine=engine,
            means=means,
        )


def walk(run: Run, steps: Sequence[Step]) -> None:
    """Take every step that has not happened yet; when one fails, take all of them back."""
    try:
        for step in steps:
            _take(run, step)
    except BaseException as error:
        _give_up(run, steps, error)
        raise


def _take(run: Run, step: Step) -> None:
    run.journal.step = step.title
    run.listener(StepStarted(step=step.title))
    started = time.monotonic()
    run.journal.write("started", step=step.title)
    detail = "found" if step.find(run) else step.do(run)
    run.journal.write("finished", step=step.title, detail=detail)
    run.listener(StepFinished(step=step.title, seconds=time.monotonic() - started, detail=detail))


def _give_up(run: Run, steps: Sequence[Step], error: BaseException) -> None:
    """Remove everything, or keep what can be logged in to; `error` gets the lines that say which."""
    run.journal.write("failed", step=run.journal.step, error=f"{type(error).__name__}: {error}")
    interrupted = not isinstance(error, Exception)
    if run.settings.on_failure == "keep" and run.login and isinstance(error, AmiforgeError):
        tag = f"Name=tag:amiforge:run,Values={run.id}"
        error.add(log_in=run.login, resume=f"{run.resume}  (with the same --set, --os and the like)")
        error.add(kept=f"everything of run {run.id}: aws ec2 describe-instances --filters {tag}")
        return
    try:
        finish(run, steps)
    except CleanupIncomplete as incomplete:
        if interrupted or not isinstance(error, AmiforgeError):
            raise incomplete from error
        error.add(**incomplete.lines)


def finish(run: Run, steps: Sequence[Step]) -> None:
    """Remove everything but a good image."""
    started = time.monotonic()
    run.listener(StepStarted(step="clean up"))
    remove_all(run, steps)
    run.journal.write("finished", step="clean up")
    run.listener(StepFinished(step="clean up", seconds=time.monotonic() - started))


def _heard(clients: Clients, settings: BakeSettings, listener: Listener) -> Clients:
    """Give the clients with a pace of which the listener hears."""

    def on_wait(what: str, seconds: float, detail: str) -> None:
        listener(Waiting(what=what, seconds=seconds, detail=detail))

    return replace(clients, pace=replace(clients.pace, longest=settings.poll, on_wait=on_wait))


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Make a request to end, or a closed terminal, the same as Ctrl-C."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
