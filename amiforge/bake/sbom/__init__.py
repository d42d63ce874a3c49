"""A software bill of materials of an image, made of its manifest; needs the extra `sbom`."""

from __future__ import annotations

from amiforge.bake.sbom.cyclonedx import cyclonedx
from amiforge.bake.sbom.spdx import spdx

__all__ = ["cyclonedx", "spdx"]
