"""Wiping from an instance what must not be on an image, proving that it is gone, and powering the instance off."""

from __future__ import annotations

from amiforge.bake.clean.areas import AREAS, Area
from amiforge.bake.clean.seal import seal
from amiforge.bake.clean.text import table_script

__all__ = ["AREAS", "Area", "seal", "table_script"]
