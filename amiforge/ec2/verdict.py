"""What is said on an image, and on its snapshots, of how it did when it was to be proven."""

from __future__ import annotations

import re

from amiforge.ec2.image import Image
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import EXPIRES, REASON, STATE

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
