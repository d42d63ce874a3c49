"""Verifying an image that is already there: the steps of a bake up to the login, then the checks."""

from __future__ import annotations

from amiforge.bake.loop import finish, signals_interrupt, walk
from amiforge.bake.opening import open_run
from amiforge.bake.reporting import reporting
from amiforge.bake.run import Means, Run
from amiforge.bake.step import Step
from amiforge.bake.steps.access import CheckWay, CreateGroup, ImportKey
from amiforge.bake.steps.builder import Connect, LaunchBuilder
from amiforge.bake.steps.source import ChooseSubnets, ResolveSource
from amiforge.engine.events import Listener, silent
from amiforge.recipes.recipe import Recipe
from amiforge.settings import AwsSettings, BakeSettings, EngineSettings


class CheckInstance(Step):
    """Put the recipe's checks to the instance."""

    title = "check instance"

    def do(self, run: Run) -> str:
        """Check it."""
        run.means.verify(run.host, run.recipe, run.listener)
        return run.source.ami


STEPS: tuple[Step, ...] = (
    ResolveSource(),
    ChooseSubnets(),
    CheckWay(),
    ImportKey(),
    CreateGroup(),
    LaunchBuilder(),
    Connect(),
    CheckInstance(),
)


def verify_image(  # noqa: PLR0913 - as of bake
    recipe: Recipe,
    ami: str,
    aws: AwsSettings,
    *,
    settings: BakeSettings | None = None,
    engine: EngineSettings | None = None,
    listener: Listener = silent,
    means: Means | None = None,
) -> None:
    """Boot an instance of an image, put a recipe's checks to it, and remove it again. The image stays as it is.

    Args:
        recipe: what the image should be.
        ami: the image's id.
        aws: where.
        settings: deadlines, and what happens on failure.
        engine: how work on the instance is paced.
        listener: told of every step and check.
        means: how the instance is connected to and verified.

    Raises:
        CheckFailed: a check found something wrong.
        AmiforgeError: a step failed, as of `bake`.
    """
    of_image = recipe.with_options("source", ami=ami)
    settings, engine, means = settings or BakeSettings(), engine or EngineSettings(), means or Means()
    opened = open_run(of_image, aws, settings, engine, listener, means, {"verifies": ami})
    with opened as run, signals_interrupt(), reporting(run.folder, {}):
        walk(run, STEPS)
        finish(run, STEPS)
        run.journal.write("ended", outcome="verified", image=ami)
