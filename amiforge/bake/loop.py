"""The bake itself: the loop over the steps, and what happens when one of them fails."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from amiforge.bake.cleanup import remove_all
from amiforge.bake.hooks import Hook, announcing
from amiforge.bake.manifest import Manifest, Notes, manifest
from amiforge.bake.opening import open_run
from amiforge.bake.parking import keep, park, parked
from amiforge.bake.reporting import reporting
from amiforge.bake.run import Means, Run
from amiforge.bake.step import Step
from amiforge.bake.steps import PUBLISHING, STEPS
from amiforge.engine.events import Failed, Listener, StepFinished, StepStarted, silent
from amiforge.errors import AmiforgeError, CleanupIncomplete, NoSpace
from amiforge.recipes.compatibility import require
from amiforge.recipes.recipe import Recipe
from amiforge.settings import AwsSettings, BakeSettings, EngineSettings, PublishSettings, ReportSettings


def bake(  # noqa: PLR0913 - two things are needed, and each of the others may be left out
    recipe: Recipe,
    aws: AwsSettings,
    *,
    settings: BakeSettings | None = None,
    engine: EngineSettings | None = None,
    publish: PublishSettings | None = None,
    report: ReportSettings | None = None,
    hooks: Sequence[Hook] = (),
    listener: Listener = silent,
    means: Means | None = None,
    asked: Mapping[str, Any] | None = None,
) -> Manifest:
    """Bake a recipe's image: launch, provision, prove, clean, image, verify, publish. Leaves nothing but the image.

    However it ends, everything it made is removed again; the image stays if all steps succeeded. With
    `settings.on_failure` "keep", a failed bake leaves what can still be logged in to, and says how. Where EC2 needs
    longer than a deadline allows, the run is parked: nothing is removed, and `amiforge.bake.resume` goes on with it,
    as it does when this very process was killed.

    Args:
        recipe: what to bake.
        aws: where.
        settings: names, deadlines, and what happens on failure.
        engine: how work on the builder is paced.
        publish: what becomes of the image once it is proven.
        report: what the report says, which is written into the run's folder at its end.
        hooks: told when the run begins, and what becomes of it.
        listener: told of every step, task and check.
        means: how instances are connected to, provisioned and verified.
        asked: how the recipe was asked for, as JSON; goes into the journal, for whoever resumes the run.

    Raises:
        CompatibilityError: parts of the recipe do not go together; nothing was done.
        RecipeError: nothing is known of a download, and `engine.require_digests` wants that; nothing was done.
        RunBusy: the same image is being baked here already; nothing was done.
        Parked: EC2 needs longer, or cannot be asked now.
        AmiforgeError: a step failed; the line `left` names what could not be removed, `log_in` and `remove` what was
            kept.
        PublishIncomplete: the image is good, and not published everywhere; resuming the run goes on with that.
        CleanupIncomplete: the image is good, but something else could not be removed.
        KeyboardInterrupt: Ctrl-C, or a signal that ends programs. A second one ends the clean-up, too.
    """
    engine, means = engine or EngineSettings(), means or Means()
    require(recipe)
    means.refuse_unproven(recipe, engine)
    notes = Notes(listener)
    with open_run(recipe, aws, settings or BakeSettings(), engine, notes, means, asked or {}, publish) as run:
        return carry_out(run, notes, report, hooks)


def carry_out(run: Run, notes: Notes, report: ReportSettings | None = None, hooks: Sequence[Hook] = ()) -> Manifest:
    """Take a run, new or begun by another process, to its end."""
    prices = (report or ReportSettings()).prices
    with signals_interrupt(), announcing(run, hooks) as announcer, reporting(run.folder, prices):
        if not run.state.removed:
            _make(run, notes)
        if run.publish.wanted and run.state.verification == "passed":
            announcer.once("baked")
            _publish(run)
        result = _write_manifest(run, notes)
        run.journal.write("ended", outcome="baked", image=run.image.id)
    return result


def _make(run: Run, notes: Notes) -> None:
    walk(run, STEPS)
    try:
        _write_manifest(run, notes)
    finally:
        finish(run, STEPS)
    run.note(removed=True)


def _write_manifest(run: Run, notes: Notes) -> Manifest:
    result = manifest(run, notes, time.time())
    result.write(run.folder / "manifest.json")
    return result


def _publish(run: Run) -> None:
    """Publish the image. Whatever goes wrong, what is done stays, and a later process goes on from there."""
    try:
        for step in PUBLISHING:
            _take(run, step)
    except BaseException as error:
        _note_failure(run, error)
        waits = parked(error)
        _leave_unpublished(run, waits or error, "parked" if waits else "unpublished")
        if waits:
            raise waits from (None if waits is error else error)
        raise


def _leave_unpublished(run: Run, error: BaseException, outcome: str) -> None:
    if isinstance(error, AmiforgeError):
        error.add(image=f"{run.image.id}, verified", resume=f"amiforge resume {run.id}")
    run.journal.write("ended", outcome=outcome, image=run.image.id, reason=str(error))


def walk(run: Run, steps: Sequence[Step]) -> None:
    """Take every step that has not happened yet; when one fails, take all of them back or park the run."""
    try:
        for step in steps:
            _take(run, step)
    except BaseException as error:
        _note_failure(run, error)
        waits = parked(error)
        if waits:
            park(run, waits)
            raise waits from (None if waits is error else error)
        _give_up(run, steps, error)
        raise


def _note_failure(run: Run, error: BaseException) -> None:
    with suppress(NoSpace):
        lines = error.lines if isinstance(error, AmiforgeError) else {}
        run.journal.write("failed", step=run.journal.step, error=f"{type(error).__name__}: {error}", lines=lines)


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
    interrupted = not isinstance(error, Exception)
    if run.settings.on_failure == "keep" and run.login and isinstance(error, AmiforgeError):
        keep(run)
        error.add(log_in=run.login, provision=f"{run.go_on}  (with the same --set, --os and the like)")
        error.add(resume=f"amiforge resume {run.id}", remove=f"amiforge gc --run {run.id} --delete")
        return
    try:
        finish(run, steps)
    except CleanupIncomplete as incomplete:
        if interrupted or not isinstance(error, AmiforgeError):
            raise incomplete from error
        error.add(**incomplete.lines)
        return
    run.journal.write("ended", outcome="failed")


def finish(run: Run, steps: Sequence[Step]) -> None:
    """Remove everything but a good image. A second signal ends that as well, and says what removes the rest."""
    started, run.journal.giving_up = time.monotonic(), True
    remove = f"amiforge gc --run {run.id} --delete"
    try:
        run.listener(StepStarted(step="clean up"))
        run.journal.write("started", step="clean up")
        remove_all(run, steps)
    except CleanupIncomplete as incomplete:
        run.journal.write("ended", outcome="incomplete", left=incomplete.lines["left"])
        incomplete.add(resume=f"amiforge resume {run.id}", remove=remove)
        raise
    except KeyboardInterrupt:
        run.journal.write("ended", outcome="interrupted")
        run.listener(Failed(message=f"something of run {run.id} may still be there", lines={"remove": remove}))
        raise
    run.journal.write("finished", step="clean up")
    run.listener(StepFinished(step="clean up", seconds=time.monotonic() - started))


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Make a request to end, or a closed terminal, the same as Ctrl-C; `nohup` is respected."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
