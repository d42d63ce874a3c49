"""Runs as their folders hold them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from amiforge.bake.journal import SCHEMA
from amiforge.engine.events import Event

START = 1_795_000_000.0
RUN = "20261123-000000-test"


def first(**about: Any) -> dict[str, Any]:
    """Give a journal's first line."""
    return {
        "at": START,
        "kind": "run",
        "schema": SCHEMA,
        "run": RUN,
        "recipe": "eks_gpu",
        "os": "al2023",
        "arch": "x86_64",
        "region": "eu-west-1",
        "endpoint": "",
        "profile": "",
        "image": "amiforge-eks",
        "tags": {},
        "expires": "2026-11-24T00:00:00Z",
        "asked": {},
        "options": {"aws_cli": {"version": "2.36.11", "quiet": True}},
        "amiforge": "0.1.0",
        "pid": 7,
        "host": "build-3",
        **about,
    }


def line(after: float, kind: str, **about: Any) -> dict[str, Any]:
    return {"at": START + after, "kind": kind, **about}


def asked(after: float, operation: str, about: Mapping[str, Any], kind: str = "asked") -> dict[str, Any]:
    return line(after, kind, step="launch builder", operation=operation, about=about)


def write(
    folder: Path, lines: Iterable[Mapping[str, Any]], events: Iterable[Event] = (), manifest: object = None
) -> Path:
    """Write a run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "journal.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    (folder / "events.jsonl").write_text("".join(json.dumps(each.as_json()) + "\n" for each in events))
    if manifest is not None:
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
