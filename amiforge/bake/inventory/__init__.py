"""What is on a host, as far as it matters to whoever uses an image of it: software, kernel, sources, settings."""

from __future__ import annotations

from amiforge.bake.inventory.inventory import File, Inventory, Module, Package, Repository
from amiforge.bake.inventory.survey import inventory

__all__ = ["File", "Inventory", "Module", "Package", "Repository", "inventory"]
