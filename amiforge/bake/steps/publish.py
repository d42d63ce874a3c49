"""Steps that publish an image that is proven. Nothing of them is taken back: a later process goes on from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from amiforge.bake.run import Run
from amiforge.bake.state import Published
from amiforge.bake.step import Step
from amiforge.ec2.publication.change import Done
from amiforge.ec2.publication.copies import copy
from amiforge.ec2.publication.encryption import ask_kms, refuse_unshareable
from amiforge.ec2.publication.plan import Publication, plan
from amiforge.ec2.publication.publish import Stage, available, conclude, point, set_attributes, share
from amiforge.ec2.publication.regional_image import find_image
from amiforge.ec2.publication.regions import open_regions
from amiforge.ec2.session import Clients
from amiforge.errors import PublishIncomplete


class CopyImage(Step):
    """Copy the image to every other region; what would fail later for want of a key is refused first."""

    title = "copy image"

    def do(self, run: Run) -> str:
        """Copy, all regions at once, and wait."""
        wanted, regions = _publication(run)
        refuse_unshareable(wanted, regions, ask_kms(run.aws))
        copy(wanted, regions)
        found = [available(wanted, clients) for clients in regions.values()]
        run.note(publication=tuple(Published(region=each.region, image=each.id) for each in found))
        return ", ".join(f"{each.region} {each.id}" for each in found[1:]) or "nowhere else"


class _ForAll(Step):
    """A stage of publishing, in all regions."""

    stage: ClassVar[Stage]

    def do(self, run: Run) -> str:
        """Do what is missing."""
        wanted, regions = _publication(run)
        return _told(type(self).stage(wanted, regions))


class SetAttributes(_ForAll):
    """Give image and copies their tags, deprecation and protection."""

    title = "set attributes"
    stage = set_attributes


class Share(_ForAll):
    """Share image, copies and their snapshots."""

    title = "share image"
    stage = share


class MovePointers(_ForAll):
    """Let the pointers name the image."""

    title = "move pointers"
    stage = point


class Conclude(_ForAll):
    """Mark image and copies as published, and what was current before as superseded."""

    title = "mark as published"
    stage = conclude

    def do(self, run: Run) -> str:
        """Mark them, and note down what is published where."""
        said = super().do(run)
        wanted, regions = _publication(run)
        found = [available(wanted, clients) for clients in regions.values()]
        principals, pointer = wanted.principals, f"{wanted.pointer}/current" if wanted.pointer else ""
        run.note(
            publication=tuple(
                Published(
                    region=each.region,
                    image=each.id,
                    snapshots=each.snapshots,
                    shared_with=principals,
                    pointer=pointer,
                )
                for each in found
            )
        )
        return said


PUBLISHING: tuple[Step, ...] = (CopyImage(), SetAttributes(), Share(), MovePointers(), Conclude())


def _publication(run: Run) -> tuple[Publication, Mapping[str, Clients]]:
    """Give what is to be published, and the clients of all regions.

    Raises:
        PublishIncomplete: the image is gone.
        ConfigError: it must not be published, or the settings contradict themselves.
    """
    image = find_image(run.clients, run.image.id)
    if image is None:
        raise PublishIncomplete(f"image {run.image.id} is gone from {run.clients.region}")
    wanted = plan(image, run.publish)
    return wanted, open_regions(run.clients, wanted.regions, run.open_in)


def _told(done: Iterable[Done]) -> str:
    """Say what was done, regions with the same in one."""
    regions: dict[str, list[str]] = {}
    for each in done:
        regions.setdefault(each.what, []).append(each.region)
    return "; ".join(f"{what} ({', '.join(dict.fromkeys(names))})" for what, names in regions.items())
