"""The same tasks on other source images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from amiforge.ec2.builder import GRAVITON, Builder
from amiforge.ec2.source_image import SourceImage
from amiforge.recipes.assumed import assumed
from amiforge.recipes.recipe import Variant
from amiforge.tasks.platform import platform
from amiforge.tasks.task import Task


def variants(
    tasks: Sequence[Task],
    sources: Iterable[SourceImage],
    builder: Builder | None = None,
    instances: tuple[str, ...] | None = None,
) -> tuple[Variant, ...]:
    """Give a variant for each source image: those of the tasks that exist there, and a builder of its architecture.

    `instances` are the families these are for, where not those of the recipe.
    """
    return tuple(_variants(tasks, sources, builder or Builder(), instances))


def _variants(
    tasks: Sequence[Task], sources: Iterable[SourceImage], builder: Builder, instances: tuple[str, ...] | None
) -> Iterator[Variant]:
    for source in sources:
        here = platform(assumed(source))
        graviton = builder.model_copy(update={"instance_types": GRAVITON})
        yield Variant(
            source=source,
            builder=graviton if source.architecture == "arm64" else builder,
            tasks=tuple(task for task in tasks if here in task.platforms),
            instances=instances,
        )
