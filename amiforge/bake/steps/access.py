"""Steps that make the way to the builder: what it needs here, a key pair and a security group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from amiforge.bake.run import Run
from amiforge.bake.step import Step
from amiforge.ec2.access import planned_way, require_programs, sources
from amiforge.ec2.key_pair import delete_keys, find_key, import_key
from amiforge.ec2.network import create_group, delete_groups, find_group, open_port, refuse_closed
from amiforge.errors import ConfigError

_ROLE = "builder"


class CheckWay(Step):
    """Make sure, before anything is made, that this machine can go the way to the builder as far as it is there."""

    title = "check the way in"

    def do(self, run: Run) -> str:
        """Look for the programs that it needs, and log in to the jump hosts."""
        builder = run.recipe.builder
        require_programs(builder)
        run.means.check_jumps(planned_way(builder))
        return f"through {builder.bastion}" if builder.bastion else builder.access


class ImportKey(Step):
    """Make a key here and import its public half. The private half never leaves this machine."""

    title = "import key"

    def find(self, run: Run) -> bool:
        """A key pair in EC2 is of use only together with its private half in the run's folder."""
        there = (run.folder / f"{_ROLE}.key").exists() and find_key(run.clients, run.tags, _ROLE)
        if there:
            run.note(key_name=there)
        return bool(there)

    def do(self, run: Run) -> str:
        """Make and import it."""
        key, _ = run.keys(_ROLE)
        run.note(key_name=import_key(run.clients, run.tags, _ROLE, key))
        return run.state.key_name

    def undo(self, run: Run) -> Iterator[str]:
        """Delete all keys of the run, here and there."""
        yield from delete_keys(run.clients, run.tags)
        for file in run.folder.glob("*.key"):
            file.unlink(missing_ok=True)


class CreateGroup(Step):
    """Make a security group that lets this machine, and nobody else, reach sshd; or look at those that are there."""

    title = "create security group"

    def find(self, run: Run) -> bool:
        """It counts once its rule is in it, and the rule is for where we are now."""
        if not run.state.group or find_group(run.clients, run.tags) != run.state.group:
            return False
        builder = run.recipe.builder
        with suppress(ConfigError):  # where we are is not known today; we may well be where we were
            now = sources(run.clients, builder, run.state.subnets[0])
            open_port(run.clients, run.state.group, now, builder.ssh_port)
        return True

    def do(self, run: Run) -> str:
        """Make it."""
        builder, subnet = run.recipe.builder, run.state.subnets[0]
        if builder.security_groups:
            return _use(run)
        allowed = sources(run.clients, builder, subnet)
        run.note(group=create_group(run.clients, run.tags, subnet.vpc, allowed, builder.ssh_port))
        return f"{run.state.group} for {', '.join(allowed) or 'nobody'}"

    def undo(self, run: Run) -> Iterator[str]:
        """Delete it, once nothing uses it any more."""
        return delete_groups(run.clients, run.tags)


def _use(run: Run) -> str:
    """Look whether the recipe's own groups let us in, if it can be known who we are to them."""
    builder, subnet = run.recipe.builder, run.state.subnets[0]
    try:
        allowed = sources(run.clients, builder, subnet)
    except ConfigError:
        if builder.access == "instance-connect":
            raise  # there is no endpoint
        allowed = ()
    refuse_closed(run.clients, builder.security_groups, subnet.vpc, allowed, builder.ssh_port)
    return f"{', '.join(builder.security_groups)}, which were there"
