"""What a bake is going to want of EC2, and how long it is likely to take."""

from __future__ import annotations

from dataclasses import dataclass, field

from amiforge.ec2.builder import Builder
from amiforge.ec2.source_image import SourceImage
from amiforge.settings import BakeSettings, PublishSettings

#: Minutes for what every bake does: launch, boot, clean, stop, verify, terminate.
_ALWAYS = 20
#: Minutes for each task. A driver with its kernel modules takes longer, most others less.
_TASK = 4
#: GiB of root volume that are copied into an image in a minute.
_COPIED = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a bake is going to want.

    Attributes:
        recipe: the recipe's name, as it appears in the image's name.
        source: what it starts from.
        builder: what builds it, and where.
        settings: the image's name, tags, whether it is verified.
        tasks: how many tasks the recipe has.
        publish: what becomes of the image once it is proven.
    """

    recipe: str
    source: SourceImage
    builder: Builder
    settings: BakeSettings
    tasks: int = 0
    publish: PublishSettings = field(default_factory=PublishSettings)


def estimate(tasks: int, root_gib: int) -> float:
    """Give the seconds that a bake is likely to take; credentials have to live that long.

    A guess from published builds, 51 to 71 minutes for GPU images: 20 minutes, 4 for each task, 1 for each 10 GiB of
    root volume. The sum of the deadlines is no measure: it is most of a working day.
    """
    return 60 * (_ALWAYS + _TASK * tasks + root_gib / _COPIED)
