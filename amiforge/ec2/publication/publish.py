"""The stages of publishing after the copies. Each is done in all regions before the next begins in any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain

from amiforge.ec2.publication.attributes import attributes, published, superseded
from amiforge.ec2.publication.change import Change, Done, carry_out
from amiforge.ec2.publication.plan import Publication
from amiforge.ec2.publication.pointer import move, position
from amiforge.ec2.publication.regional_image import RegionalImage, find_here, find_image
from amiforge.ec2.publication.regions import everywhere
from amiforge.ec2.publication.sharing import permissions, shared, unwanted
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import ARCH, OS, RECIPE
from amiforge.errors import AwsRefused, PublishIncomplete

Stage = Callable[[Publication, Mapping[str, Clients]], tuple[Done, ...]]


def set_attributes(publication: Publication, regions: Mapping[str, Clients]) -> tuple[Done, ...]:
    """Give every image its tags, its deprecation, its protection.

    Raises:
        PublishIncomplete: something was refused, or an image is not available.
    """
    return _apply(publication, regions, "setting attributes", lambda _, image: attributes(image, publication))


def share(publication: Publication, regions: Mapping[str, Clients]) -> tuple[Done, ...]:
    """Let everybody wanted use every image. Nobody is shut out; who is not wanted any more is told.

    Raises:
        PublishIncomplete: something was refused, or an image is not available.
    """

    def work(clients: Clients) -> tuple[Done, ...]:
        image = available(publication, clients)
        now = permissions(clients, image)
        extra = unwanted(now, publication)
        told = f"still shared with {', '.join(extra)}, whom the settings do not name"
        return (
            *carry_out(clients, image, shared(image, now, publication)),
            *((Done(clients.region, image.id, told),) if extra else ()),
        )

    return _flat(everywhere(regions, "sharing", work).values())


def point(publication: Publication, regions: Mapping[str, Clients]) -> tuple[Done, ...]:
    """Let the pointer of every region name the image, once it is available in all of them.

    Raises:
        PublishIncomplete: a pointer could not be moved; says which one names what.
    """
    if not publication.pointer:
        return ()
    images = {name: available(publication, clients) for name, clients in regions.items()}
    return move_all(regions, publication.pointer, images)


def conclude(publication: Publication, regions: Mapping[str, Clients]) -> tuple[Done, ...]:
    """Mark every image as published, and what was current before as superseded.

    Raises:
        PublishIncomplete: something was refused.
    """
    channel = publication.settings.channel if publication.pointer else ""
    done = _apply(publication, regions, "marking as published", lambda _, image: published(image, channel))
    return (*done, *_supersede(publication, regions)) if publication.pointer else done


def _supersede(publication: Publication, regions: Mapping[str, Clients]) -> tuple[Done, ...]:
    """Mark what the pointers name as previous as superseded; it is deprecated some day, and never deregistered."""

    def work(clients: Clients) -> tuple[Done, ...]:
        there = position(clients, publication.pointer)
        before = find_image(clients, there.previous) if there.previous not in {"", there.current} else None
        if before is None:
            return ()
        return carry_out(clients, before, superseded(before, publication.settings.channel, publication.overtaken_until))

    return _flat(everywhere(regions, "superseding what was current", work).values())


#: What comes after the copies, in order.
STAGES: tuple[Stage, ...] = (set_attributes, share, point, conclude)


def move_all(
    regions: Mapping[str, Clients],
    path: str,
    images: Mapping[str, RegionalImage],
    behind: Mapping[str, str] | None = None,
) -> tuple[Done, ...]:
    """Move the pointers of all regions; one that is refused does not keep the others.

    Args:
        regions: where.
        path: of the pointer.
        images: what it is to name in each region.
        behind: what `previous` is to name there; otherwise what is current now, as long as that is available.

    Raises:
        PublishIncomplete: a pointer could not be moved; says which one names what.
    """

    def work(clients: Clients) -> tuple[Done, ...]:
        image = images[clients.region]
        was = behind[clients.region] if behind else overtaken(clients, path, image.id)
        return move(clients, path, image, was, parameter_tags(image))

    try:
        return _flat(everywhere(regions, f"moving {path}", work).values())
    except PublishIncomplete as error:
        named = (f"{name}: {_named(clients, path)}" for name, clients in regions.items())
        raise error.add(pointers="\n".join(named)) from None


def parameter_tags(image: RegionalImage) -> dict[str, str]:
    """Give the tags of the pointers of an image: what it is, not which one."""
    return {name: image.tags[name] for name in (RECIPE, OS, ARCH) if image.tags.get(name)}


def available(publication: Publication, clients: Clients) -> RegionalImage:
    """Give the image as it is in a region.

    Raises:
        PublishIncomplete: it is not there, or not available.
    """
    image = find_here(clients, publication.image.id)
    if image is None:
        raise PublishIncomplete(f"{publication.image.id} has no available copy in {clients.region}")
    return image


def _named(clients: Clients, path: str) -> str:
    try:
        return position(clients, path).current or "nothing"
    except AwsRefused as error:
        return f"not known, {error.message}"


def overtaken(clients: Clients, path: str, image: str) -> str:
    """Give what the pointer of a region names and will name no more; nothing if that is not available."""
    current = position(clients, path).current
    there = current not in {"", image} and find_image(clients, current)
    return current if there and there.state == "available" else ""


def _apply(
    publication: Publication,
    regions: Mapping[str, Clients],
    what: str,
    changes: Callable[[Clients, RegionalImage], Iterable[Change]],
) -> tuple[Done, ...]:
    def work(clients: Clients) -> tuple[Done, ...]:
        image = available(publication, clients)
        return carry_out(clients, image, changes(clients, image))

    return _flat(everywhere(regions, what, work).values())


def _flat(parts: Iterable[tuple[Done, ...]]) -> tuple[Done, ...]:
    return tuple(chain.from_iterable(parts))
