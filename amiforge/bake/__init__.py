"""The bake: from a source image to a finished one, as steps over a journal."""

from __future__ import annotations

from amiforge.bake.loop import bake
from amiforge.bake.resume import find_run, resume

__all__ = ["bake", "find_run", "resume"]
