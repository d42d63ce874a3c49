"""The bake: from a source image to a finished one, as steps over a journal."""

from __future__ import annotations

from amiforge.bake.loop import bake

__all__ = ["bake"]
