"""Folders that the dynamic linker looks into, for services as well as for shells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from amiforge.resources import File, Run
from amiforge.shell import argv, script

if TYPE_CHECKING:
    from amiforge.engine.resource import Resource

_READ = '[ /etc/ld.so.cache -nt "$1" ] && [ /etc/ld.so.cache -nt "$2" ]'


def library_path(conf: str, folder: str) -> Iterator[Resource]:
    """Give the configuration file that names a folder, and the linker's cache made anew after it and the folder."""
    yield File(conf, f"{folder}\n")
    yield Run(f"let the linker know {folder}", argv("ldconfig"), proof=script(_READ, conf, folder), job=False)
