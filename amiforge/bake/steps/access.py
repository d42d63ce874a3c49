"""Steps that make the way to the builder: a key pair and a security group."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.bake.run import Run, write_private
from amiforge.bake.step import Step
from amiforge.ec2.key_pair import KeyPair, delete_keys, import_key
from amiforge.ec2.network import create_group, delete_groups, find_group, own_cidrs


class ImportKey(Step):
    """Make a key here and import its public half. The private half never leaves this machine."""

    title = "import key"

    def do(self, run: Run) -> str:
        """Make and import it."""
        run.key = KeyPair.new(f"amiforge-{run.id}-builder")
        run.host_key = KeyPair.new(f"amiforge-{run.id}-host")
        write_private(run.folder / "builder.key", run.key.private)
        run.key_name = import_key(run.clients, run.tags, "builder", run.key)
        return run.key_name

    def undo(self, run: Run) -> Iterator[str]:
        """Delete all keys of the run, here and there."""
        yield from delete_keys(run.clients, run.tags)
        for file in run.folder.glob("*.key"):
            file.unlink(missing_ok=True)


class CreateGroup(Step):
    """Make a security group that lets this machine, and nobody else, reach port 22."""

    title = "create security group"

    def find(self, run: Run) -> bool:
        """Look for it by the run's tag."""
        found = find_group(run.clients, run.tags)
        run.group = found or ""
        return bool(found)

    def do(self, run: Run) -> str:
        """Make it."""
        builder = run.recipe.builder
        cidrs = builder.ingress or own_cidrs(run.clients, run.subnets[0], builder.address)
        run.group = create_group(run.clients, run.tags, run.subnets[0].vpc, cidrs)
        return f"{run.group} for {', '.join(cidrs)}"

    def undo(self, run: Run) -> Iterator[str]:
        """Delete it, once nothing uses it any more."""
        return delete_groups(run.clients, run.tags)
