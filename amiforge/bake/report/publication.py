"""Where an image was published: its copies, who may use them, and the pointers that name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amiforge.bake.report.record import Record


@dataclass(frozen=True, slots=True)
class Place:
    """The image in one region: whom it is shared with, and which parameter names it; empty for nobody and none."""

    region: str
    image: str
    shared_with: Sequence[str]
    pointer: str


def publication(record: Record) -> tuple[Place, ...]:
    """Give the image region by region; nothing for a run that published nothing."""
    found = record.known.get("publication") or record.manifest.get("publication")
    return tuple(_place(each) for each in found if isinstance(each, dict)) if isinstance(found, list) else ()


def _place(told: dict[str, Any]) -> Place:
    shared = told.get("shared_with")
    names = [str(each) for each in shared] if isinstance(shared, list) else []
    return Place(str(told.get("region", "")), str(told.get("image", "")), names, str(told.get("pointer", "")))
