"""Base roots: a cached Debian file system that boots fast, with real dnf and rpm."""

from __future__ import annotations

from pathlib import Path

from amiforge.sandbox.folder import Folder


def build_root(folder: Folder, name: str = "debian-rpm") -> Path:
    """Give the base root `name`, made on first use (about a minute) and kept.

    The directory's name carries a digest of everything the root is made from, so a changed description
    makes a new root, and images on top of an old one stay whole.

    Raises:
        CommandFailed: a package could not be fetched or installed.
    """
    raise NotImplementedError(folder, name)
