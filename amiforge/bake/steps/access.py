"""Steps that make the way to the builder: a key pair and a security group."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.bake.run import Run
from amiforge.bake.step import Step
from amiforge.ec2.key_pair import delete_keys, find_key, import_key
from amiforge.ec2.network import create_group, delete_groups, find_group, own_cidrs

_ROLE = "builder"


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
    """Make a security group that lets this machine, and nobody else, reach port 22."""

    title = "create security group"

    def find(self, run: Run) -> bool:
        """It counts once its rule is in it."""
        return bool(run.state.group) and find_group(run.clients, run.tags) == run.state.group

    def do(self, run: Run) -> str:
        """Make it."""
        builder, subnet = run.recipe.builder, run.state.subnets[0]
        cidrs = builder.ingress or own_cidrs(run.clients, subnet, builder.address)
        run.note(group=create_group(run.clients, run.tags, subnet.vpc, cidrs))
        return f"{run.state.group} for {', '.join(cidrs)}"

    def undo(self, run: Run) -> Iterator[str]:
        """Delete it, once nothing uses it any more."""
        return delete_groups(run.clients, run.tags)
