"""What is different between two images, as their manifests tell it."""

from __future__ import annotations

from amiforge.bake.diff.compare import compare
from amiforge.bake.diff.difference import Change, Difference, FileChange, Moved
from amiforge.bake.diff.shown import as_markdown, as_text

__all__ = ["Change", "Difference", "FileChange", "Moved", "as_markdown", "as_text", "compare"]
