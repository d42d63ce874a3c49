"""What is true of every published image, and the states that images pass through. Pure: gives changes, makes none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from amiforge.ec2.publication.change import Change, tag
from amiforge.ec2.publication.copies import FAILED
from amiforge.ec2.publication.plan import Publication
from amiforge.ec2.publication.regional_image import RegionalImage
from amiforge.ec2.tags import CHANNEL, COPY_OF, EXPIRES, STATE

_OWN = (STATE, EXPIRES, CHANNEL, COPY_OF, FAILED, "aws:")


def attributes(image: RegionalImage, wanted: Publication) -> Iterator[Change]:
    """Give what an image in some region lacks before anybody else may see it.

    A date of deprecation that is there already stays, unless another image had taken this one's place.
    """
    yield from _tags(image, wanted.image)
    if image.description != wanted.image.description:
        value = {"Value": wanted.image.description}
        yield Change("description", "modify_image_attribute", {"ImageId": image.id, "Description": value})
    if image.imds != "v2.0":
        imds = {"ImageId": image.id, "Attribute": "imdsSupport", "ImdsSupport": {"Value": "v2.0"}}
        yield Change("IMDSv2 required", "modify_image_attribute", imds)
    yield from _deprecation(image, wanted)
    if wanted.settings.protect and not image.protection.startswith("enabled"):
        cooldown = {"ImageId": image.id, "WithCooldown": True}
        yield Change("protected", "enable_image_deregistration_protection", cooldown)


def _tags(image: RegionalImage, origin: RegionalImage) -> Iterator[Change]:
    own = {name: value for name, value in origin.tags.items() if not name.startswith(_OWN)}
    lacking = {name: value for name, value in own.items() if image.tags.get(name) != value}
    if image.stage == "candidate":
        # A copy is as good as what it was copied from, which may be published already.
        lacking[STATE] = "unverified" if origin.stage == "unverified" else "verified"
    if lacking:
        yield tag(image, "tags", **lacking)
    if EXPIRES in image.tags:
        resources = {"Resources": [image.id, *image.snapshots], "Tags": [{"Key": EXPIRES}]}
        yield Change("expires no more", "delete_tags", resources)


def _deprecation(image: RegionalImage, wanted: Publication) -> Iterator[Change]:
    superseded, days = image.stage == "superseded", wanted.settings.deprecate_days
    if image.deprecation and superseded:
        yield _undeprecated(image)
    if days and (superseded or not image.deprecation):
        yield _deprecated(image, wanted.after(days))


def published(image: RegionalImage, channel: str = "") -> Iterator[Change]:
    """Give what says that an image is published, and named by a channel's pointer."""
    channels = " ".join(dict.fromkeys((*image.channels, *([channel] if channel else ()))))
    wanted = {STATE: "published", **({CHANNEL: channels} if channels else {})}
    if lacking := {name: value for name, value in wanted.items() if image.tags.get(name) != value}:
        yield tag(image, "published", **lacking)


def restored(image: RegionalImage, channel: str) -> Iterator[Change]:
    """Give what makes an image current again whose place another had taken."""
    if image.stage == "superseded" and image.deprecation:
        yield _undeprecated(image)
    yield from published(image, channel)


def superseded(image: RegionalImage, channel: str, deprecate: datetime | None) -> Iterator[Change]:
    """Give what says that another image has taken the place of this one in a channel.

    As long as the pointer of another channel names it, it stays what it is. It is never deregistered.

    Args:
        image: that was current.
        channel: where.
        deprecate: from when on it is deprecated; None for never.
    """
    left = " ".join(each for each in image.channels if each != channel)
    if image.stage not in {"published", "superseded"}:
        return
    if left:
        if channel in image.channels:
            yield tag(image, f"no more in {channel}", **{CHANNEL: left})
        return
    newly = image.stage == "published"
    if deprecate and (not image.deprecation or (newly and datetime.fromisoformat(image.deprecation) > deprecate)):
        yield _deprecated(image, deprecate)
    if newly or image.channels:
        yield tag(image, "superseded", **{STATE: "superseded", CHANNEL: ""})


def _deprecated(image: RegionalImage, when: datetime) -> Change:
    what = f"deprecated from {when:%Y-%m-%d}"
    return Change(what, "enable_image_deprecation", {"ImageId": image.id, "DeprecateAt": when})


def _undeprecated(image: RegionalImage) -> Change:
    return Change("deprecated no more", "disable_image_deprecation", {"ImageId": image.id})
