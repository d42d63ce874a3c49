"""The kinds of things a host can be asked to have: one module a kind, all of them named here."""

from __future__ import annotations

from amiforge.resources.directory import Directory
from amiforge.resources.file import File
from amiforge.resources.symlink import Symlink

__all__ = ["Directory", "File", "Symlink"]
