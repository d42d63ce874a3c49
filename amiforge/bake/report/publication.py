"""Where an image was published: its copies, who may use them, and the pointers that name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amiforge.bake.report.record import Record


@dataclass(frozen=True, slots=True)
class Published:
    """The image in one region, and what was done there."""

    region: str
    image: str
    said: Sequence[str]


def publication(record: Record) -> tuple[Published, ...]:
    """Give the image region by region; nothing for a run that published nothing."""
    found = record.known.get("published") or record.manifest.get("publication")
    rows = found if isinstance(found, list) else []
    told: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if isinstance(row, dict):
            told.setdefault((_text(row, "region"), _text(row, "image")), []).append(_text(row, "said"))
    return tuple(Published(region, image, said) for (region, image), said in told.items())


def _text(row: dict[str, Any], name: str) -> str:
    return str(row.get(name, ""))
