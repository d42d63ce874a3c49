"""Steps that only look: what the bake starts from, and where."""

from __future__ import annotations

from pathlib import Path

from amiforge.bake.commit import commit
from amiforge.bake.run import Run
from amiforge.bake.step import Step
from amiforge.ec2.image import refuse_taken_name
from amiforge.ec2.network import subnets
from amiforge.ec2.resolve import resolve
from amiforge.recipes.fingerprint import fingerprint
from amiforge.systems.trust import FIRST_USE


class ResolveSource(Step):
    """Find the one image that the recipe's description of its source means today."""

    title = "resolve source image"

    def find(self, run: Run) -> bool:
        """What it meant when the run began is what counts."""
        return run.state.source is not None

    def do(self, run: Run) -> str:
        """Find it."""
        source = resolve(run.clients, run.recipe.source)
        design = fingerprint(run.recipe, source.ami, FIRST_USE, run.engine.mirror)
        run.note(source=source, commit=commit(_folder(run)), design=design)
        return f"{run.source.ami} {run.source.name}".strip()


def _folder(run: Run) -> Path:
    """Give the folder of the settings file, or the one we are in: what is kept there decides what is baked."""
    return Path(run.asked.get("config") or "amiforge.toml").parent


class ChooseSubnets(Step):
    """Find the subnets to launch into, and make sure that the image's name is free."""

    title = "check names and subnets"

    def find(self, run: Run) -> bool:
        """Their order decides in which place a launch was tried."""
        return bool(run.state.subnets)

    def do(self, run: Run) -> str:
        """Find them."""
        refuse_taken_name(run.clients, run.image_name)
        run.note(subnets=subnets(run.clients, run.recipe.builder.subnets))
        return ", ".join(subnet.id for subnet in run.state.subnets)
