"""Steps that make the image."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.bake.run import Run
from amiforge.bake.step import Step
from amiforge.ec2.image import Image, create_image, find_image, remove_image, require_imdsv2, wait_available
from amiforge.errors import ImageFailed
from amiforge.recipes.fingerprint import fingerprint

#: Seconds for which an image that was just asked for may not be known everywhere.
_GRACE = 300.0


class MakeImage(Step):
    """Ask for the image; it is private, and a candidate until it is verified."""

    title = "create image"
    cost = 1

    def find(self, run: Run) -> bool:
        """Look for it by the id that was written down, else by the run's tag."""
        made = run.journal.made("CreateImage", "ImageId", self.title)
        image_id = made.ids[-1] if made.ids else ""
        found = find_image(run.clients, run.tags, image_id, max(0.0, _GRACE - made.seconds) if image_id else 0)
        if found != run.state.image:
            run.note(image=found)
        return found is not None

    def do(self, run: Run) -> str:
        """Ask for it."""
        # Not before: what a download or key is seen to be for the first time is known when it was fetched.
        trust = run.means.trusted(run.engine)
        run.note(fingerprint=fingerprint(run.recipe, run.source.ami, trust, run.engine.mirror))
        description = f"{run.recipe.description} (amiforge {run.recipe.name} on {run.source.ami})"
        ami = create_image(run.clients, run.builder.id, run.image_name, description, run.tags, run.provenance)
        run.note(image=Image(ami, run.image_name, "pending", "", ()))
        return f"{ami} {run.image_name}"

    def undo(self, run: Run) -> Iterator[str]:
        """Remove it with its snapshots, unless it is good."""
        if not run.state.keep_image:
            yield from remove_image(run.clients, run.tags)


class WaitForImage(Step):
    """Wait until the image is available. One that fails is asked for once more: the builder is still there."""

    title = "wait for image"

    def find(self, run: Run) -> bool:
        """Look at what is known of it."""
        return run.image.state == "available"

    def do(self, run: Run) -> str:
        """Wait."""
        try:
            self._wait(run)
        except ImageFailed:
            if run.state.remade:
                raise
            run.note(remade=True)
            list(remove_image(run.clients, run.tags))
            MakeImage().do(run)
            self._wait(run)
        return run.image.id

    def _wait(self, run: Run) -> None:
        run.note(image=wait_available(run.clients, run.image.id, run.settings.image_deadline))


class RequireImdsv2(Step):
    """Make instances of the image demand IMDSv2."""

    title = "require IMDSv2"

    def do(self, run: Run) -> str:
        """Set the attribute."""
        require_imdsv2(run.clients, run.image.id)
        return run.image.id
