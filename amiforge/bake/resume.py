"""Going on with a run whose process was killed, whose bake was parked, or whose builder was kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from amiforge.bake.history import History, histories
from amiforge.bake.hooks import Hook
from amiforge.bake.loop import carry_out
from amiforge.bake.manifest import Manifest, Notes, described
from amiforge.bake.opening import reopen_run
from amiforge.bake.run import Means
from amiforge.bake.steps import MakeImage
from amiforge.engine.events import Listener, silent
from amiforge.errors import ConfigError, RecipeError, RunBusy
from amiforge.recipes.recipe import Recipe
from amiforge.settings import AwsSettings, BakeSettings, EngineSettings, PublishSettings, ReportSettings


def resume(  # noqa: PLR0913 - as of bake
    history: History,
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
) -> Manifest:
    """Go on with a run at the step it had come to, and take it to its end.

    What the run made is looked for in EC2 by token, id, tag or name, so that nothing is made twice; what is gone is
    made anew. Work that went on on the builder meanwhile is followed to its end.

    Args:
        history: the run, as `find_run` gives it.
        recipe: what is baked; must be what the run was begun with.
        aws: where; the region is the run's own.
        settings: deadlines, and what happens on failure; name and tags are the run's own.
        engine: how work on the builder is paced.
        publish: what becomes of the image once it is proven.
        report: what the report says.
        hooks: told what becomes of the run.
        listener: told of every step, task and check.
        means: how instances are connected to, provisioned and verified.

    Raises:
        ConfigError: the run has come to its end, or its journal is not understood.
        RecipeError: the recipe is not the one that the run was begun with; names the options that differ.
        RunBusy: a living process works on it.
        AmiforgeError: as of `bake`.
    """
    refuse_ended(history)
    refuse_other(history, recipe)
    settings, notes = settings or BakeSettings(), Notes(listener)
    notes.recall(history.folder / "events.jsonl")
    opened = reopen_run(history, recipe, aws, settings, engine or EngineSettings(), notes, means or Means(), publish)
    with opened as run:
        if not run.state.removed:
            run.journal.step = MakeImage.title
            MakeImage().find(run)  # with an image, nothing before it needs to be done again
        return carry_out(run, notes, report, hooks)


def find_run(runs: Path, run: str = "") -> History:
    """Give a run by its id or the beginning of it; without one, the latest that can be gone on with.

    Raises:
        ConfigError: there is none, or several begin so.
    """
    if run and (runs / run).is_dir():
        return History.of(runs / run)
    found, wrong = histories(runs)
    matching = [each for each in found if each.run.startswith(run) and (run or each.resumable)]
    if run and len(matching) > 1:
        raise ConfigError(f"several runs begin with {run!r}", runs="\n".join(each.run for each in matching))
    if not matching:
        what = f"there is no run {run!r}" if run else "there is no run to go on with"
        raise ConfigError(
            f"{what} in {runs}",
            unreadable="\n".join(each.message for each in wrong),
            fix="see `amiforge runs`, and check bake.runs",
        )
    return matching[-1]


def refuse_ended(history: History) -> None:
    """Make sure that there is something to go on with.

    Raises:
        ConfigError: the run has come to its end.
        RunBusy: a living process works on it.
    """
    if history.busy:
        raise RunBusy(f"run {history.run} is being worked on already", held_by=history.busy, fix="wait until it ends")
    if "verifies" in history.asked:
        raise ConfigError(
            f"run {history.run} bakes nothing: it verifies {history.asked['verifies']}",
            fix=f"verify it again; what this run left is removed by `amiforge gc --run {history.run} --delete`",
        )
    if history.outcome == "baked":
        raise ConfigError(f"run {history.run} has made {history.image}", fix="bake again for another image")
    if history.outcome == "failed":
        raise ConfigError(
            f"run {history.run} failed, and everything of it was removed",
            reason=history.reason,
            fix=f"bake {history.recipe} again; --on-failure keep keeps the builder of a failed bake",
        )


def refuse_other(history: History, recipe: Recipe) -> None:
    """Make sure that a recipe is what the run was begun with.

    Raises:
        RecipeError: it is not; names every option that differs.
    """
    now = described(recipe)
    differing = [*_differing(history.options, now)]
    if recipe.name != history.recipe or differing:
        raise RecipeError(
            f"run {history.run} bakes another {history.recipe} than this",
            differs="\n".join(differing) or f"this is {recipe.name}",
            fix="give the same options, settings file and version of amiforge as then; or bake anew",
        )


def _differing(then: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for part in {**then, **now}:
        before, after = then.get(part, {}), now.get(part, {})
        for option in {**before, **after}:
            if before.get(option) != after.get(option):
                yield f"{part}.{option} was {before.get(option)!r}, is {after.get(option)!r}"
