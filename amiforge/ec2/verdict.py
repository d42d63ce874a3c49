"""What is said on an image, and on its snapshots, of how it did when it was to be proven."""

from __future__ import annotations

import re
from dataclasses import dataclass

from amiforge.ec2.image import Image
from amiforge.ec2.refusal import code
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import EXPIRES, OS, REASON, RECIPE, RUN, STATE
from amiforge.errors import AwsRefused, SourceImageNotFound

# Characters that every service takes, and the length. Source: "Tag your Amazon EC2 resources", EC2 user guide.
_ODD = re.compile(r"[^\w +\-=.:/@]+")
_LONGEST = 256


def mark_failed(clients: Clients, image: Image, reason: str, expires: str) -> None:
    """Say that an image did not pass, why, and that it may be removed after a time, ISO in UTC."""
    _mark(clients, image, {STATE: "failed", REASON: _short(reason), EXPIRES: expires})


def mark_unverified(clients: Clients, image: Image, reason: str, expires: str) -> None:
    """Say that an image could not be proven yet, and why. It waits for that, and may be removed if nobody comes."""
    _mark(clients, image, {STATE: "unverified", REASON: _short(reason), EXPIRES: expires})


def _mark(clients: Clients, image: Image, tags: dict[str, str]) -> None:
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    clients.ec2.create_tags(Resources=[image.id, *image.snapshots], Tags=pairs)  # type: ignore[arg-type]


def _short(reason: str) -> str:
    """Give a reason as a tag's value may be."""
    text = " ".join(_ODD.sub(" ", reason).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an image and its tags say of it; texts are empty where they say nothing.

    Attributes:
        image: the image; its id.
        run: the run that made it; empty for an image that is not ours.
        recipe: name of the recipe; `os` is its operating system.
        arch: what it runs on.
        state: `failed`, `unverified` and so on.
        reason: why.
        expires: until when it is kept, ISO in UTC.
        snapshots: its snapshots.
    """

    image: str
    run: str
    recipe: str
    os: str
    arch: str
    state: str
    reason: str
    expires: str
    snapshots: tuple[str, ...]


def read_verdict(clients: Clients, ami: str) -> Verdict:
    """Read what is said on an image.

    Raises:
        SourceImageNotFound: there is none of that id in the region.
    """
    try:
        found = clients.ec2.describe_images(ImageIds=[ami], IncludeDeprecated=True)["Images"]
    except AwsRefused as error:
        if not code(error).startswith("InvalidAMIID"):
            raise
        found = []
    if not found:
        raise SourceImageNotFound(f"there is no image {ami} in {clients.region}", fix="check the id and --region")
    said = {tag["Key"]: tag["Value"] for tag in found[0].get("Tags", ())}
    mappings = (mapping.get("Ebs", {}) for mapping in found[0].get("BlockDeviceMappings", ()))
    return Verdict(
        image=ami,
        run=said.get(RUN, ""),
        recipe=said.get(RECIPE, ""),
        os=said.get(OS, ""),
        arch=found[0]["Architecture"],
        state=said.get(STATE, ""),
        reason=said.get(REASON, ""),
        expires=said.get(EXPIRES, ""),
        snapshots=tuple(each["SnapshotId"] for each in mappings if "SnapshotId" in each),
    )
