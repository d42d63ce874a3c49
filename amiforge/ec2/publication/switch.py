"""Letting a pointer name another image that is published already: promotion to a channel, and rollback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from amiforge.ec2.publication.attributes import restored, superseded
from amiforge.ec2.publication.change import Done, carry_out
from amiforge.ec2.publication.plan import pointer_path
from amiforge.ec2.publication.pointer import position
from amiforge.ec2.publication.publish import move_all, overtaken
from amiforge.ec2.publication.regional_image import RegionalImage, find_here, find_image
from amiforge.ec2.publication.regions import everywhere
from amiforge.ec2.session import Clients
from amiforge.errors import ConfigError
from amiforge.settings import PublishSettings

_PUBLISHED = frozenset({"published", "superseded"})


@dataclass(frozen=True, slots=True)
class Switch:
    """What a pointer names from now on, in every region.

    Attributes:
        path: of the pointer.
        channel: that the path is of.
        images: what `current` is to name, by region.
        behind: id of what `previous` is to name, by region; empty to leave it.
    """

    path: str
    channel: str
    images: Mapping[str, RegionalImage]
    behind: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stand:
    """The images that the pointer of a region names; None where it names none, or one that is gone."""

    region: str
    current: RegionalImage | None
    previous: RegionalImage | None


def promotion(image: RegionalImage, settings: PublishSettings, regions: Mapping[str, Clients]) -> Switch:
    """Say what it means that the pointer of the settings' channel names an image.

    Raises:
        ConfigError: there is no pointer, the image was never published, or a region has no available copy of it.
    """
    path = _path(settings, image.tags)
    if image.stage not in _PUBLISHED:
        raise ConfigError(
            f"{image.id} in {image.region} is not published, but {image.stage or 'without a state'}",
            fix=f"publish it first: amiforge publish {image.id}",
        )
    images = _everywhere(regions, image.origin)
    behind = {name: overtaken(clients, path, images[name].id) for name, clients in regions.items()}
    return Switch(path, settings.channel, images, behind)


def rollback(tags: Mapping[str, str], settings: PublishSettings, regions: Mapping[str, Clients]) -> Switch:
    """Say what it means that a pointer names again what it named before.

    Where an earlier rollback was interrupted, so that regions name different images, that one is gone on with.

    Args:
        tags: recipe, system and architecture, as images bear them.
        settings: template and channel of the pointer.
        regions: all that have the pointer.

    Raises:
        ConfigError: there is nothing to go back to, or it is not available in some region.
    """
    path = _path(settings, tags)
    stands = tuple(_stand(clients, path) for clients in regions.values())
    target, left = decide(stands, path, settings.channel)
    images, behind = _everywhere(regions, target), _everywhere(regions, left)
    return Switch(path, settings.channel, images, {name: image.id for name, image in behind.items()})


def decide(stands: tuple[Stand, ...], path: str, channel: str) -> tuple[str, str]:
    """Decide which image is gone back to, and which is left: what both are in their regions of origin. Pure.

    Raises:
        ConfigError: that cannot be told.
    """
    if missing := [stand.region for stand in stands if stand.current is None]:
        raise ConfigError(
            f"{path}/current names no image in {', '.join(missing)}",
            fix="publish there, or name the regions that have one with --region and publish.regions",
        )
    current = {stand.current.origin: stand.current for stand in stands if stand.current}
    before = {stand.previous.origin for stand in stands if stand.previous} - set(current)
    if len(current) == 1 and len(before) == 1:
        return before.pop(), next(iter(current))
    chosen = {origin for origin, image in current.items() if channel in image.channels}
    if len(current) == 2 and len(chosen) == 1:  # noqa: PLR2004 - the two that a move is between
        target = chosen.pop()
        return target, next(origin for origin in current if origin != target)
    fix = f"say which one is wanted: amiforge promote AMI --channel {channel}"
    if len(current) == 1:
        raise ConfigError(f"{path}/previous names no image to go back to, or not the same everywhere", fix=fix)
    names = "\n".join(f"{stand.region}: {stand.current.id}" for stand in stands if stand.current)
    raise ConfigError(f"{path}/current names different images", pointers=names, fix=fix)


def carry_out_switch(
    switch: Switch, regions: Mapping[str, Clients], now: datetime, settings: PublishSettings
) -> tuple[Done, ...]:
    """Move a pointer in every region. Both images say so before it moves, so that what is interrupted can be finished.

    Raises:
        PublishIncomplete: something was refused; says which pointer names what.
    """
    deprecate = now + timedelta(days=settings.supersede_days) if settings.supersede_days else None

    def mark(clients: Clients) -> tuple[Done, ...]:
        image = switch.images[clients.region]
        left = find_image(clients, switch.behind[clients.region]) if switch.behind[clients.region] else None
        return (
            *carry_out(clients, image, restored(image, switch.channel)),
            *(carry_out(clients, left, superseded(left, switch.channel, deprecate)) if left else ()),
        )

    marked = everywhere(regions, "marking images", mark)
    return (*chain.from_iterable(marked.values()), *move_all(regions, switch.path, switch.images, switch.behind))


def _path(settings: PublishSettings, tags: Mapping[str, str]) -> str:
    path = pointer_path(settings, tags)
    if not path:
        raise ConfigError("there is no pointer to move", fix="set publish.pointer, or give --pointer")
    return path


def _stand(clients: Clients, path: str) -> Stand:
    names = position(clients, path)
    return Stand(
        clients.region,
        find_image(clients, names.current) if names.current else None,
        find_image(clients, names.previous) if names.previous else None,
    )


def _everywhere(regions: Mapping[str, Clients], origin: str) -> dict[str, RegionalImage]:
    found = {name: find_here(clients, origin) for name, clients in regions.items()}
    if missing := [name for name, image in found.items() if image is None]:
        raise ConfigError(
            f"image {origin} is not available in {', '.join(missing)}; no pointer was moved",
            fix=f"publish it there: amiforge publish {origin} --to {' --to '.join(missing)}",
        )
    return {name: image for name, image in found.items() if image}
