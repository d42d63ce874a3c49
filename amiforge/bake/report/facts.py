"""What a run is about, as a list of facts: image, source, recipe, place and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from amiforge.bake.report.record import Record

#: What an image bears as its state, by how the check of it ended.
_STATES = {"passed": "verified", "skipped": "unverified", "unverified": "unverified", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact: what it is called, what it is, and what else is to be said of it."""

    name: str
    value: str
    more: str = ""
    code: bool = False


def facts(record: Record) -> Iterator[Fact]:
    """Give the facts, without those that are not known."""
    yield from (fact for fact in _facts(record) if fact.value)


def _facts(record: Record) -> Iterator[Fact]:
    history, known, manifest = record.history, record.known, record.manifest
    image, source = _mapping(known.get("image")), _mapping(known.get("source"))
    yield Fact("Image", str(image.get("id", "")), _state(record), code=True)
    yield Fact("Name", history.image_name)
    yield Fact("Region", history.region, "EC2 on this machine" if history.endpoint else "")
    yield Fact("Source image", str(source.get("ami", "")), str(source.get("name", "")), code=True)
    yield Fact("Recipe", history.recipe, f"{history.os} {history.arch}")
    yield Fact("Commit", _first(manifest, known, name="commit"), code=True)
    yield Fact("Fingerprint", _first(manifest, known, name="fingerprint")[:16], code=True)
    builder = _mapping(known.get("builder"))
    yield Fact("Builder", str(builder.get("instance_type", "")), str(builder.get("zone", "")))
    yield Fact(
        "Began", _moment(history.started), f"ended {_moment(history.last).removeprefix(_moment(history.started)[:11])}"
    )
    yield Fact("Run", history.run, f"amiforge {record.processes[-1].version}", code=True)


def _state(record: Record) -> str:
    if refused := _mapping(record.known.get("refused")):
        return f"failed, kept until {refused.get('kept_until', '')}"
    if record.outcome == "failed":
        return "removed again"
    return _STATES.get(str(record.known.get("verification", "")), "candidate")


def _first(*found: Mapping[str, Any], name: str) -> str:
    return next((str(each[name]) for each in found if each.get(name)), "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
