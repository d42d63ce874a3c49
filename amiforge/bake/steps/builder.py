"""Steps in the life of the builder instance."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.bake.reach import reach
from amiforge.bake.run import Run
from amiforge.bake.step import Step
from amiforge.ec2.capacity import candidates
from amiforge.ec2.instances import leftover_volumes, stop, stop_on_shutdown, terminate
from amiforge.ec2.launch import Order, launch
from amiforge.ec2.user_data import pin_host_key
from amiforge.errors import AwsRefused

_ROLE = "builder"


class LaunchBuilder(Step):
    """Launch the builder wherever EC2 has room for it, and wait until it runs."""

    title = "launch builder"
    cost = 2

    def do(self, run: Run) -> str:
        """Launch it."""
        builder = run.recipe.builder
        user_data = pin_host_key(run.host_key)
        order = Order(_ROLE, run.source, builder, run.key_name, run.group, user_data, run.tags)
        places = candidates(builder.instance_types, run.subnets)
        run.builder = launch(run.clients, order, places, run.settings.launch_deadline)
        return f"{run.builder.id} {run.builder.instance_type} in {run.builder.zone}"

    def undo(self, run: Run) -> Iterator[str]:
        """Terminate it, and delete volumes that outlived it."""
        run.login = ""
        yield from terminate(run.clients, run.tags, _ROLE)
        yield from leftover_volumes(run.clients, run.tags)


class Connect(Step):
    """Log in, and wait until the instance has finished booting."""

    title = "connect"

    def do(self, run: Run) -> str:
        """Connect; keeps the one connection for all that follows."""
        login = run.log_in(run.builder, run.key, run.host_key, _ROLE)
        run.host, run.condition = reach(run, login, run.builder.id)
        return f"{run.host.address}, {run.condition}"

    def undo(self, run: Run) -> Iterator[str]:
        """Close the connection."""
        if "host" in vars(run):
            run.host.close()
        return iter(())


class Disarm(Step):
    """Make a shutdown from inside stop the instance instead of ending it, before it is made unreachable."""

    title = "disarm"

    def do(self, run: Run) -> str:
        """Change what a shutdown does."""
        stop_on_shutdown(run.clients, run.builder.id)
        return "a shutdown stops the builder from here on"


class Stop(Step):
    """Stop the builder: only a stopped one gives a consistent image."""

    title = "stop builder"

    def do(self, run: Run) -> str:
        """Stop it and wait."""
        run.host.close()
        stop(run.clients, run.builder.id, run.settings.stop_deadline)
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
