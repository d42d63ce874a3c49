"""A change to an image or its snapshots: what it is for people, and the call that makes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from amiforge.ec2.publication.regional_image import RegionalImage
from amiforge.ec2.session import Clients


@dataclass(frozen=True, slots=True)
class Change:
    """One call of EC2, as boto3 names it, and what it brings about. May be made twice."""

    what: str
    operation: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to an image in a region, for people."""

    region: str
    image: str
    what: str


def carry_out(clients: Clients, image: RegionalImage, changes: Iterable[Change]) -> tuple[Done, ...]:
    """Make the changes one after the other.

    Raises:
        AwsRefused: EC2 refuses one; those before it are made.
    """
    done = []
    for change in changes:
        getattr(clients.ec2, change.operation)(**change.parameters)
        done.append(Done(clients.region, image.id, change.what))
    return tuple(done)


def tag(image: RegionalImage, what: str, **tags: str) -> Change:
    """Give the change that writes tags onto an image and its snapshots."""
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    return Change(what, "create_tags", {"Resources": [image.id, *image.snapshots], "Tags": pairs})
