"""An image as it is in one region: the one that was baked there, or a copy of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from amiforge.ec2.session import Clients
from amiforge.ec2.tags import CHANNEL, COPY_OF, STATE

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef


@dataclass(frozen=True, slots=True)
class RegionalImage:
    """An image of ours in a region.

    Attributes:
        region: where it is.
        id: EC2's id there.
        name: its name.
        description: its description.
        state: EC2's word: `pending`, `available`, `failed`.
        snapshots: ids of its snapshots.
        tags: all of them.
        deprecation: ISO time from which it is deprecated; empty for never.
        protection: `disabled`, `enabled`, `enabled-with-cooldown`.
        imds: `v2.0` when its instances demand IMDSv2.
    """

    region: str
    id: str
    name: str = ""
    description: str = ""
    state: str = "available"
    snapshots: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    deprecation: str = ""
    protection: str = ""
    imds: str = ""

    @property
    def stage(self) -> str:
        """How far it has come: `verified`, `published`, `superseded`."""
        return self.tags.get(STATE, "")

    @property
    def origin(self) -> str:
        """The image that it is a copy of, or itself: the same for one image in all regions."""
        return self.tags.get(COPY_OF) or self.id

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels whose pointer names it."""
        return tuple(self.tags.get(CHANNEL, "").split())


def find_image(clients: Clients, image_id: str) -> RegionalImage | None:
    """Find an image of the account by its id in this very region."""
    return next(_found(clients, {"Name": "image-id", "Values": [image_id]}), None)


def find_copies(clients: Clients, origin: str) -> tuple[RegionalImage, ...]:
    """Find what was copied from an image to this region; what is available comes first."""
    copies = _found(clients, {"Name": f"tag:{COPY_OF}", "Values": [origin]})
    return tuple(sorted(copies, key=lambda copy: copy.state != "available"))


def find_here(clients: Clients, origin: str) -> RegionalImage | None:
    """Find an image as it is available in this region: itself, or a copy of it."""
    there = (find_image(clients, origin), *find_copies(clients, origin))
    return next((image for image in there if image and image.state == "available"), None)


def _found(clients: Clients, where: FilterTypeDef) -> Iterator[RegionalImage]:
    for image in clients.ec2.describe_images(Owners=["self"], Filters=[where])["Images"]:
        yield _regional(clients.region, image)


def _regional(region: str, image: ImageTypeDef) -> RegionalImage:
    mappings = (mapping.get("Ebs", {}).get("SnapshotId", "") for mapping in image.get("BlockDeviceMappings", []))
    return RegionalImage(
        region,
        image["ImageId"],
        image.get("Name", ""),
        image.get("Description", ""),
        image["State"],
        tuple(filter(None, mappings)),
        {tag["Key"]: tag["Value"] for tag in image.get("Tags", [])},
        image.get("DeprecationTime", ""),
        image.get("DeregistrationProtection", ""),
        image.get("ImdsSupport", ""),
    )
