"""Steps that publish an image that is proven."""

from __future__ import annotations

from amiforge.bake.step import Step

PUBLISHING: tuple[Step, ...] = ()
