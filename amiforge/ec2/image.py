"""The finished image: its name, its making, its states, its attributes, its end."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amiforge.ec2.make import make_once
from amiforge.ec2.poll import Wait, poll
from amiforge.ec2.refusal import code, kind
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import EXPIRES, REASON, STATE, Tags
from amiforge.errors import AwsRefused, ConfigError, ImageFailed, Parked

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import ImageTypeDef

# Source: CreateImage, EC2 API reference, parameter Name.
_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")
_ROLE = "image"


@dataclass(frozen=True, slots=True)
class Image:
    """An image of ours as EC2 describes it."""

    id: str
    name: str
    state: str
    reason: str
    snapshots: tuple[str, ...]


def image_name(template: str, **fields: str) -> str:
    """Fill in the name of an image: `amiforge-{recipe}-{os}-{arch}-{run}`.

    Raises:
        ConfigError: the template names an unknown field, or the result is no image name.
    """
    wanted = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    unknown = [field for field in wanted if field not in fields]
    if unknown:
        raise ConfigError(
            f"bake.image_name: there is no field {{{unknown[0]}}}", fields=", ".join(f"{{{name}}}" for name in fields)
        )
    name = template.format(**fields)
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"bake.image_name gives {name!r}, which is no image name",
            fix="use 3 to 128 of: letters, digits, ( ) [ ] space . / - ' @ _",
        )
    return name


def refuse_taken_name(clients: Clients, name: str) -> None:
    """Make sure that no image of the account bears the name.

    Raises:
        ConfigError: one does.
    """
    if taken := _named(clients, name):
        raise ConfigError(
            f"there is an image named {name!r} already: {taken[0]['ImageId']}",
            fix="put {run} into bake.image_name, or deregister that image",
        )


def find_image(clients: Clients, tags: Tags, image_id: str = "", grace: float = 0) -> Image | None:
    """Give the run's image, if it is there.

    Args:
        clients: of the region.
        tags: those of the run.
        image_id: its id, where that is known: an image that was just made may not be found by its tags yet.
        grace: seconds for which an image of this id may be unknown.
    """
    if not image_id:
        found = clients.ec2.describe_images(Owners=["self"], Filters=tags.filters(_ROLE))["Images"]
        return _image(found[0]) if found else None
    wait = Wait(f"image {image_id} to be known", grace, ImageFailed, grace)

    def look() -> Image | None:
        found = clients.ec2.describe_images(ImageIds=[image_id])["Images"]
        return _image(found[0]) if found else None

    try:
        return poll(wait, look, lambda image: None if image else "not known", clients.pace)
    except (AwsRefused, ImageFailed) as error:
        if isinstance(error, AwsRefused) and kind(error) != "eventual":
            raise
        return None


def create_image(  # noqa: PLR0913, PLR0917 - an image has no less
    clients: Clients, instance_id: str, name: str, description: str, tags: Tags, provenance: Mapping[str, str]
) -> str:
    """Make the image of a stopped instance and give its id; the image is private, a candidate, and expires.

    The call knows no client token, so a lost answer is made good by the name: what bears it and is of our run is ours.
    """

    def send() -> str:
        return clients.once.create_image(
            InstanceId=instance_id,
            Name=name,
            Description=description[:255],
            TagSpecifications=tags.temporary(_ROLE, "image", "snapshot", **{**provenance, STATE: "candidate"}),
        )["ImageId"]

    def made_before() -> str | None:
        return next((image["ImageId"] for image in _named(clients, name) if tags.borne_by(image)), None)

    return make_once(send, made_before, clients.pace)


def wait_available(clients: Clients, image_id: str, deadline: float) -> Image:
    """Wait until an image is available; big ones take hours.

    Raises:
        ImageFailed: it ended in another state, with EC2's reason.
        Parked: it takes longer, and may well become available later.
    """

    def look() -> Image:
        found = clients.ec2.describe_images(ImageIds=[image_id])["Images"]
        return _image(found[0]) if found else Image(image_id, "", "not known yet", "", ())

    def progress(image: Image) -> str | None:
        if image.state == "available":
            return None
        if image.state in {"pending", "transient", "not known yet"}:
            return " ".join((image.state, *_copied(clients, image.snapshots)))
        raise ImageFailed(f"image {image_id} is {image.state}", reason=image.reason)

    return poll(Wait(f"image {image_id} to be available", deadline, Parked, 300), look, progress, clients.pace)


def require_imdsv2(clients: Clients, image_id: str) -> None:
    """Make every instance of the image demand IMDSv2, unless its launch says otherwise; cannot be undone."""
    clients.ec2.modify_image_attribute(ImageId=image_id, Attribute="imdsSupport", ImdsSupport={"Value": "v2.0"})


def keep(clients: Clients, image: Image, state: str) -> None:
    """Say on the image and its snapshots that they stay, and how far they have come: `verified`, `unverified`."""
    resources = [image.id, *image.snapshots]
    clients.ec2.create_tags(Resources=resources, Tags=[{"Key": STATE, "Value": state}])
    clients.ec2.delete_tags(Resources=resources, Tags=[{"Key": EXPIRES}, {"Key": REASON}])


def remove_image(clients: Clients, tags: Tags) -> Iterator[str]:
    """Deregister the run's image and delete its snapshots; gives what is still there."""
    image = find_image(clients, tags)
    snapshots = set(image.snapshots if image else ())
    if image:
        clients.ec2.deregister_image(ImageId=image.id)
    owned = clients.ec2.describe_snapshots(OwnerIds=["self"], Filters=tags.filters(_ROLE))["Snapshots"]
    for snapshot in sorted(snapshots | {snapshot["SnapshotId"] for snapshot in owned}):
        try:
            clients.ec2.delete_snapshot(SnapshotId=snapshot)
        except AwsRefused as error:
            if code(error) == "InvalidSnapshot.InUse":
                yield f"snapshot {snapshot}"
            elif code(error) != "InvalidSnapshot.NotFound":
                raise


def _named(clients: Clients, name: str) -> Sequence[ImageTypeDef]:
    return clients.ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": [name]}])["Images"]


def _copied(clients: Clients, snapshots: Sequence[str]) -> Iterator[str]:
    if snapshots:
        found = clients.ec2.describe_snapshots(SnapshotIds=list(snapshots))["Snapshots"]
        yield from (snapshot.get("Progress") or "0%" for snapshot in found)


def _image(image: ImageTypeDef) -> Image:
    mappings = image.get("BlockDeviceMappings", [])
    snapshots = (mapping.get("Ebs", {}).get("SnapshotId", "") for mapping in mappings)
    reason = image.get("StateReason", {}).get("Message", "")
    return Image(image["ImageId"], image.get("Name", ""), image["State"], reason, tuple(filter(None, snapshots)))
