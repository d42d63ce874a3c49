"""Manifests that were written before: by file, by run, by image."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from amiforge.bake.manifest import SCHEMA, Manifest
from amiforge.errors import ConfigError


def read_manifest(text: str, origin: str) -> Manifest:
    """Read a manifest.

    Args:
        text: the JSON.
        origin: where it comes from, for messages.

    Raises:
        ConfigError: it is none, or of another schema.
    """
    try:
        plain = json.loads(text)
        schema, writer = plain["schema_version"], plain["amiforge"]
    except (ValueError, TypeError, KeyError):
        raise ConfigError(f"{origin} is no manifest", fix="name the manifest.json of a run, or of an image") from None
    if schema != SCHEMA:
        raise ConfigError(
            f"{origin} is a manifest of schema {schema}, and this amiforge reads schema {SCHEMA}",
            fix=f"use amiforge {writer}, which wrote it; or bake the image anew",
        )
    try:
        return Manifest.model_validate(plain)
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        raise ConfigError(f"{origin} says something about {field} that is not understood") from None


def load_manifest(path: Path) -> Manifest:
    """Read the manifest in a file.

    Raises:
        ConfigError: there is no such file, it is no manifest, or of another schema.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", fix="name the manifest.json of a run") from None
    return read_manifest(text, str(path))


def find_manifest(runs: Path, name: str) -> Manifest:
    """Give the manifest of an image, or of the run with this id or the one that begins so.

    Raises:
        ConfigError: no run here made it, or several begin so.
    """
    paths = sorted(runs.glob("*/manifest.json"))
    if name.startswith("ami-"):
        found = [made for path in paths if name in path.read_text(errors="replace") and (made := _made(path, name))]
        fix = "run this where the image was baked, or give the manifest's file, or USER@ADDRESS of an instance"
    else:
        found = [load_manifest(path) for path in paths if path.parent.name.startswith(name)]
        fix = "see `amiforge runs`; or give a manifest's file"
    if len(found) > 1:
        raise ConfigError(f"several runs begin with {name!r}", runs="\n".join(made.run for made in found))
    if not found:
        raise ConfigError(f"no run in {runs} has a manifest of {name!r}", fix=fix)
    return found[0]


def _made(path: Path, image: str) -> Manifest | None:
    """Give the manifest if it is of this image or a copy of it; others that name it, as their source, are not."""
    try:
        made = load_manifest(path)
    except ConfigError:
        return None
    return made if image == made.image or image in json.dumps(made.publication) else None
