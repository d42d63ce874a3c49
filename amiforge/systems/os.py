"""An operating system, as far as it differs from the others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Os:
    """An operating system we bake."""

    name: str
