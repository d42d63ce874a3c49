"""Steps that make the image."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.bake.run import Run
from amiforge.bake.step import Step
from amiforge.ec2.image import Image, create_image, find_image, remove_image, require_imdsv2, wait_available
from amiforge.errors import ImageFailed
from amiforge.recipes.fingerprint import fingerprint
from amiforge.systems.trust import FIRST_USE, Trust

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
        run.note(fingerprint=_fingerprint(run))
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


def _fingerprint(run: Run) -> str:
    """Give the fingerprint of what was baked: what downloads and keys were seen to be is known by now.

    Empty where code or settings are no longer what the run began with: nobody knows which of them the image is of.
    """

    def as_of(trust: Trust) -> str:
        return fingerprint(run.recipe, run.source.ami, trust, run.engine.mirror)

    return as_of(run.means.trusted(run.engine)) if as_of(FIRST_USE) == run.state.design else ""
