"""The bake: from a source image to a finished one, as steps over a journal."""

from __future__ import annotations

from amiforge.bake.loop import bake
from amiforge.bake.resume import find_run, resume
from amiforge.bake.reuse import Existing, find_baked

__all__ = ["Existing", "bake", "find_baked", "find_run", "resume"]
