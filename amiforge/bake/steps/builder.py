"""Steps in the life of the builder instance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial

from amiforge.bake.dead_man import disarm, renewing
from amiforge.bake.login import Login
from amiforge.bake.reach import reach
from amiforge.bake.run import Run
from amiforge.bake.step import Step
from amiforge.bake.steps.instance import await_off, end_all, start, survivor
from amiforge.ec2.instances import FROM_INSIDE, Instance, leftover_volumes, on_shutdown, stop, terminate, wait_running
from amiforge.engine.events import Waiting
from amiforge.errors import AwsRefused, HostError, LaunchFailed

_ROLE = "builder"
#: Seconds in which a builder that is being wiped, and lets nobody in any more, must be off.
_SEALING = 600.0


class LaunchBuilder(Step):
    """Launch the builder wherever EC2 has room for it, and wait until it runs."""

    title = "launch builder"
    cost = 2

    def find(self, run: Run) -> bool:
        """A builder that can be worked on or imaged is taken over; any other one is ended."""
        if run.state.image:
            return True
        found = survivor(run, _ROLE, self.title)
        usable = _usable(run, found) if found else None
        if usable:
            run.note(builder=usable)
        elif found:
            list(terminate(run.clients, run.tags, _ROLE))
        return usable is not None

    def do(self, run: Run) -> str:
        """Launch it."""
        run.note(builder=start(run, _ROLE, run.source, run.state.key_name, self.title), condition=None)
        return f"{run.builder.id} {run.builder.instance_type} in {run.builder.zone}"

    def undo(self, run: Run) -> Iterator[str]:
        """Terminate it, and delete volumes that outlived it."""
        run.login = ""
        yield from end_all(run, _ROLE, self.title)
        yield from leftover_volumes(run.clients, run.tags)


def _usable(run: Run, found: Instance) -> Instance | None:
    """Give a builder of an earlier process as it is once nothing happens to it by itself; None if it is no good."""
    if run.state.cleaning == found.id:
        return _sealed(run, found)
    if found.state not in {"pending", "running"}:
        return None
    try:
        return wait_running(run.clients, found.id, run.settings.launch_deadline)
    except LaunchFailed:
        return None


def _sealed(run: Run, found: Instance) -> Instance | None:
    """Give a builder whose wipe had begun: off by itself, which is the proof that it is clean, or still open to us."""
    if run.state.sealed == found.id:
        return stop(run.clients, found.id, run.settings.stop_deadline, force_after=run.settings.stop_force_after)
    if found.state == "running" and _lets_us_in(run, found):
        return found
    off = off_by_itself(run, found)
    if off:
        run.note(sealed=off.id)
    return off


def off_by_itself(run: Run, builder: Instance) -> Instance | None:
    """Wait until a builder that is being wiped is off; None when it is not, or when somebody else stopped it."""
    off = await_off(run, builder, _ROLE, _SEALING)
    return off if off and off.reason.startswith(FROM_INSIDE) else None


def _lets_us_in(run: Run, found: Instance) -> bool:
    key, host_key = run.keys(_ROLE)
    host = run.means.connect(run.log_in(found, key, host_key, _ROLE))
    try:
        host.connect()
    except HostError:
        return False
    finally:
        host.close()
    return True


class Connect(Step):
    """Log in, and wait until the instance has finished booting."""

    title = "connect"

    def find(self, run: Run) -> bool:
        """Nobody needs to log in to a builder that is clean."""
        return sealed(run)

    def do(self, run: Run) -> str:
        """Connect; keeps the one connection for all that follows."""
        key, host_key = run.keys(_ROLE)
        login = run.log_in(run.builder, key, host_key, _ROLE)
        if being_wiped(run):
            # Whatever else we did there could be on the image; and it may power itself off at any moment.
            run.host = run.means.connect(login)
            return run.host.address
        run.host, condition = reach(run, login, run.builder.id)
        run.watch.enter_context(looking_after(run, login))
        if run.state.condition is None:  # later steps compare with what was so before anything was done
            run.note(condition=condition)
        return f"{run.host.address}, {condition}"

    def undo(self, run: Run) -> Iterator[str]:
        """Close the connection."""
        run.watch.close()
        if "host" in vars(run):
            run.host.close()
        return iter(())


def looking_after(run: Run, login: Login) -> AbstractContextManager[None]:
    """Give the context in which an instance's dead-man switch is renewed."""

    def tell(sentence: str) -> None:
        run.listener(Waiting(what="the dead-man switch", seconds=0, detail=sentence))

    return renewing(partial(run.means.connect, login), run.settings.dead_man, tell)


class Disarm(Step):
    """Take the dead-man switch away, and make a shutdown from inside stop the instance instead of ending it."""

    title = "disarm"

    def find(self, run: Run) -> bool:
        """It holds from before the wipe to its end; until then, whoever goes on with the run arms the switch again."""
        return sealed(run) or being_wiped(run)

    def do(self, run: Run) -> str:
        """Change what a shutdown does."""
        run.watch.close()
        on_shutdown(run.clients, run.builder.id, "stop")
        disarm(run.host)
        return "a shutdown stops the builder from here on"


class Stop(Step):
    """Stop the builder: only a stopped one gives a consistent image."""

    title = "stop builder"

    def find(self, run: Run) -> bool:
        """It is stopped, or was imaged already."""
        return run.state.image is not None or run.builder.state == "stopped"

    def do(self, run: Run) -> str:
        """Stop it and wait."""
        run.note(
            builder=stop(
                run.clients, run.builder.id, run.settings.stop_deadline, force_after=run.settings.stop_force_after
            )
        )
        return run.builder.id


class TerminateBuilder(Step):
    """End the builder, which nobody needs once the image is there. Does not wait: the clean-up does."""

    title = "terminate builder"

    def do(self, run: Run) -> str:
        """Terminate it. A refusal costs nothing but time, since the clean-up asks again."""
        try:
            return ", ".join(terminate(run.clients, run.tags, _ROLE))
        except AwsRefused as error:
            return f"put off: {error.message}"


def being_wiped(run: Run) -> bool:
    """Tell whether the wipe of the builder has begun, and is not known to have failed."""
    return run.state.cleaning == run.builder.id


def sealed(run: Run) -> bool:
    """Tell whether the builder is proven clean, or no longer needed because the image is there."""
    return run.state.image is not None or run.state.sealed == run.builder.id
