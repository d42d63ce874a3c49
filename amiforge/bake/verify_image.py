"""Verifying an image that is already there: the steps of a bake up to the login, then the gate."""

from __future__ import annotations

from amiforge.bake.gate.examination import Examination
from amiforge.bake.loop import finish, signals_interrupt, walk
from amiforge.bake.opening import open_run
from amiforge.bake.reporting import reporting
from amiforge.bake.run import Means, Run
from amiforge.bake.step import Step
from amiforge.bake.steps.access import CheckWay, CreateGroup, ImportKey
from amiforge.bake.steps.builder import Connect, LaunchBuilder
from amiforge.bake.steps.source import ChooseSubnets, ResolveSource
from amiforge.ec2.image import Image, keep
from amiforge.ec2.verdict import read_verdict
from amiforge.engine.events import Listener, silent
from amiforge.errors import ConfigError
from amiforge.recipes.recipe import Recipe
from amiforge.settings import AwsSettings, BakeSettings, EngineSettings


class CheckMark(Step):
    """Make sure that the image is one that may be said to be verified."""

    title = "check the image's state"

    def do(self, run: Run) -> str:
        """Look at its tags.

        Raises:
            ConfigError: it is not ours, or nobody has to prove it any more.
        """
        verdict = read_verdict(run.clients, run.source.ami)
        if not verdict.run or verdict.state != "unverified":
            raise ConfigError(
                f"--mark: {verdict.image} is {verdict.state or 'no image of ours'}",
                fix="leave --mark out; only an unverified image that a bake made can be marked as verified",
            )
        return verdict.state


class CheckInstance(Step):
    """Put the image through the gate, as far as that can be without knowing its builder."""

    title = "check instance"

    def do(self, run: Run) -> str:
        """Examine the instance, reboot it, and examine it again."""
        ours = bool(read_verdict(run.clients, run.source.ami).run)
        login = run.log_in(run.builder, *run.keys("builder"), "builder")
        Examination(run, run.source.ami, login, run.builder, ours=ours).carry_out()
        return run.source.ami


class Mark(Step):
    """Say on the image that it is verified."""

    title = "mark the image"

    def do(self, run: Run) -> str:
        """Write the tag."""
        verdict = read_verdict(run.clients, run.source.ami)
        keep(run.clients, Image(verdict.image, "", "", "", verdict.snapshots), "verified")
        return "verified"


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
    mark: bool = False,
) -> None:
    """Boot an instance of an image, put it through the gate, and remove it again. The image stays as it is.

    What is compared with the builder is left out: nobody knows it any more.

    Args:
        recipe: what the image should be.
        ami: the image's id.
        aws: where.
        settings: deadlines, and what happens on failure.
        engine: how work on the instance is paced.
        listener: told of every step and check.
        means: how the instance is connected to and verified.
        mark: say on the image that it is verified; it must be an unverified one of ours.

    Raises:
        ConfigError: the image cannot be marked.
        CheckFailed: a check found something wrong.
        AmiforgeError: a step failed, as of `bake`.
    """
    of_image = recipe.with_options("source", ami=ami)
    settings, engine, means = settings or BakeSettings(), engine or EngineSettings(), means or Means()
    opened = open_run(of_image, aws, settings, engine, listener, means, {"verifies": ami})
    with opened as run, signals_interrupt(), reporting(run.folder, {}):
        steps = (STEPS[0], CheckMark(), *STEPS[1:], Mark()) if mark else STEPS
        walk(run, steps)
        finish(run, steps)
        run.journal.write("ended", outcome="verified", image=ami)
