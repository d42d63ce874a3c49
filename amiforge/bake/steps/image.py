"""Steps that make the image."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.bake.run import Run
from amiforge.bake.step import Step
from amiforge.ec2.image import Image, create_image, find_image, remove_image, require_imdsv2, wait_available


class MakeImage(Step):
    """Ask for the image; it is private, and a candidate until it is verified."""

    title = "create image"
    cost = 1

    def find(self, run: Run) -> bool:
        """Look for it by the run's tag."""
        found = find_image(run.clients, run.tags)
        if found:
            run.image = found
        return bool(found)

    def do(self, run: Run) -> str:
        """Ask for it."""
        description = f"{run.recipe.description} (amiforge {run.recipe.name} on {run.source.ami})"
        ami = create_image(run.clients, run.builder.id, run.image_name, description, run.tags)
        run.image = Image(ami, run.image_name, "pending", "", ())
        return f"{ami} {run.image_name}"

    def undo(self, run: Run) -> Iterator[str]:
        """Remove it with its snapshots, unless it is good."""
        if not run.keep_image:
            yield from remove_image(run.clients, run.tags)


class WaitForImage(Step):
    """Wait until the image is available."""

    title = "wait for image"

    def do(self, run: Run) -> str:
        """Wait."""
        run.image = wait_available(run.clients, run.image.id, run.settings.image_deadline)
        return run.image.id


class RequireImdsv2(Step):
    """Make instances of the image demand IMDSv2."""

    title = "require IMDSv2"

    def do(self, run: Run) -> str:
        """Set the attribute."""
        require_imdsv2(run.clients, run.image.id)
        return run.image.id
