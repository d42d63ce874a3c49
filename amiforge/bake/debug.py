"""Looking at an image that failed: an instance of it that stays for a while, with what is known and said of it."""

from __future__ import annotations

from dataclasses import dataclass

from amiforge.bake.loop import signals_interrupt, walk
from amiforge.bake.opening import open_run
from amiforge.bake.run import Means, Run
from amiforge.bake.step import Step
from amiforge.bake.steps.access import CheckWay, CreateGroup, ImportKey
from amiforge.bake.steps.builder import LaunchBuilder
from amiforge.bake.steps.source import ChooseSubnets, ResolveSource
from amiforge.ec2.instances import console
from amiforge.engine.events import Listener, silent
from amiforge.errors import HostError
from amiforge.host.wait import wait_for_ssh
from amiforge.recipes.recipe import Recipe
from amiforge.settings import AwsSettings, BakeSettings, EngineSettings


@dataclass(frozen=True, slots=True)
class Patient:
    """An instance of an image, for people to look at.

    Attributes:
        instance: its id.
        run: the run that it is of.
        login: the ssh command that logs in.
        mute: why nobody can log in; empty when people can.
        console: the end of its console.
        until: when anybody may remove it, ISO in UTC.
    """

    instance: str
    run: str
    login: str
    mute: str
    console: str
    until: str


#: Characters of its console that are told.
_CONSOLE = 8000

#: The steps up to an instance that runs, whatever it may be that boots on it.
STEPS: tuple[Step, ...] = (
    ResolveSource(),
    ChooseSubnets(),
    CheckWay(),
    ImportKey(),
    CreateGroup(),
    LaunchBuilder(),
)


def debug_image(  # noqa: PLR0913 - as of bake
    recipe: Recipe,
    ami: str,
    aws: AwsSettings,
    hours: float,
    *,
    settings: BakeSettings | None = None,
    engine: EngineSettings | None = None,
    listener: Listener = silent,
    means: Means | None = None,
) -> Patient:
    """Boot an instance of an image with a key and a security group of its own, and leave it to people.

    It powers itself off after some hours, which ends it. One that does not even boot is left for `amiforge gc`.

    Args:
        recipe: how an instance is launched and logged in to.
        ami: the image's id.
        aws: where.
        hours: how long it may stay.
        settings: deadlines.
        engine: as of `bake`.
        listener: told of every step.
        means: how the instance is connected to.

    Raises:
        AmiforgeError: there is no instance; everything was removed again.
    """
    of_image, seconds = recipe.with_options("source", ami=ami), hours * 3600
    stays = {"lifetime": seconds, "dead_man": seconds, "capacity_patience": 0.0, "on_failure": "cleanup"}
    settings = (settings or BakeSettings()).model_copy(update=stays)
    opened = open_run(
        of_image, aws, settings, engine or EngineSettings(), listener, means or Means(), {"verifies": ami}
    )
    with opened as run, signals_interrupt():
        walk(run, (*STEPS, look := _LogIn()))
        run.journal.write("ended", outcome="kept")
        said = console(run.clients, run.builder.id, _CONSOLE)
        return Patient(run.builder.id, run.id, run.login, look.mute, said, run.tags.expires)


class _LogIn(Step):
    """Log in to the instance, if it lets us in."""

    title = "try to log in"

    def __init__(self) -> None:
        self.mute = ""

    def do(self, run: Run) -> str:
        """Try, for as long as a bake would."""
        host = run.means.connect(run.log_in(run.builder, *run.keys("builder"), "builder"))

        def tell(seconds: float, reason: str) -> None:
            run.clients.pace.on_wait(f"{host.address} to accept us", seconds, reason)

        try:
            wait_for_ssh(host, run.settings.reach_deadline, on_wait=tell)
        except HostError as error:
            self.mute = error.message
        finally:
            host.close()
        return self.mute or run.builder.id
