"""Instances of a run, the builder and the one that proves the image: launched, found again, ended."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.bake.journal import Made
from amiforge.bake.run import Run
from amiforge.ec2.instances import Instance, instances, terminate
from amiforge.ec2.launch import Order, launch
from amiforge.ec2.poll import Wait, poll
from amiforge.ec2.reservations import places
from amiforge.ec2.resolve import ResolvedImage
from amiforge.ec2.user_data import first_boot
from amiforge.errors import LaunchFailed

#: Seconds for which EC2 may not show everywhere what was just made.
_GRACE = 120.0
#: Seconds after which an instance that was asked for without an answer would be seen.
_SEEN = 30.0
#: States of an instance that is gone or about to be.
OVER = {"shutting-down", "terminated"}


def start(  # noqa: PLR0913, PLR0917 - what an instance is for, and made of
    run: Run, role: str, image: ResolvedImage, key_name: str, step: str, types: tuple[str, ...] = ()
) -> Instance:
    """Launch an instance for a step wherever EC2 has room for it, and wait until it runs.

    It is of one of `types`, or, without any, of those that the recipe's builder may be of.
    A launch that an earlier process sent, and of which no answer is known, is sent again as it was.
    """
    known, (_, host_key) = _made(run, step), run.keys(role)
    builder = run.recipe.builder.model_copy(update={"instance_types": types} if types else {})
    order = Order(
        role=role,
        image=image,
        builder=builder,
        key_name=key_name,
        group=run.state.group,
        user_data=first_boot(host_key, run.settings.dead_man),
        tags=run.tags,
    )
    return launch(
        run.clients,
        order,
        places(run.clients, builder, run.state.subnets, stopped=role == "builder"),
        run.settings.launch_deadline,
        patience=run.settings.capacity_patience,
        unanswered=known.token if known.open else "",
        spent=run.journal.tokens("RunInstances"),
    )


def _made(run: Run, step: str) -> Made:
    """Tell what the journal knows of a step's launches."""
    return run.journal.made("RunInstances", "InstanceId", step)


def survivor(run: Run, role: str, step: str) -> Instance | None:
    """Give the run's instance of a role that still lives, if there is one.

    An instance that the journal knows, and that is too new to be shown everywhere, is waited for.
    """
    known = _made(run, step)
    latest = known.ids[-1] if known.ids else ""
    patience = max(0.0, _GRACE - known.seconds) if latest else 0.0

    def look() -> dict[str, Instance]:
        return {each.id: each for each in instances(run.clients, run.tags, role)}

    def progress(found: dict[str, Instance]) -> str | None:
        return f"{latest} is not known yet" if latest and latest not in found else None

    try:
        found = poll(Wait(f"instance {latest} to be known", patience, LaunchFailed), look, progress, run.clients.pace)
    except LaunchFailed:
        found = look()
    living = {name: each for name, each in found.items() if each.state not in OVER}
    return living.get(latest) or next(iter(living.values()), None)


def await_off(run: Run, instance: Instance, role: str, seconds: float) -> Instance | None:
    """Give an instance once it is off without being asked; None when it goes on running, or is gone."""

    def look() -> Instance | None:
        return next((each for each in instances(run.clients, run.tags, role) if each.id == instance.id), None)

    def progress(seen: Instance | None) -> str | None:
        return None if seen is None or seen.state in {"stopped", *OVER} else seen.state

    wait = Wait(f"{instance.id}, which is being wiped, to be off", seconds, LaunchFailed)
    try:
        off = poll(wait, look, progress, run.clients.pace)
    except LaunchFailed:
        return None
    return off if off and off.state == "stopped" else None


def end_all(run: Run, role: str, step: str) -> Iterator[str]:
    """Terminate all instances of a role without waiting; gives what is not gone yet.

    When a launch was sent and never answered, what came of it is waited for as long as it may take to be seen.
    """
    if _made(run, step).open and not instances(run.clients, run.tags, role):
        _await_unanswered(run, role)
    yield from terminate(run.clients, run.tags, role)


def _await_unanswered(run: Run, role: str) -> None:
    pace, looks = run.clients.pace, 0
    started = pace.clock()
    while (waited := pace.clock() - started) < _SEEN and not instances(run.clients, run.tags, role):
        pace.on_wait("an instance that may have been launched", waited, "its launch was not answered")
        pace.sleep(pace.pause(looks))
        looks += 1
