"""A cgroup for each machine, in the hierarchies in which the machine's systemd tracks its services.

Without one of its own, every machine would sort its services into the same cgroups as every other.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
PARENT = "amiforge"


def hierarchies(mount: Path = MOUNT) -> list[Path]:
    """Give the root directory of each such hierarchy: cgroup v2, or v1's `systemd` and its v2 companion."""
    if (mount / "cgroup.controllers").exists():
        return [mount]
    return [path for path in (mount / "systemd", mount / "unified") if path.is_dir()]


def enter(name: str) -> None:
    """Move the calling process into the cgroup of machine `name`, made as needed."""
    for hierarchy in hierarchies():
        group = hierarchy / PARENT / name
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.procs").write_text("0")


def leave() -> None:
    """Move the calling process to the root cgroups, so that the machine's can be removed."""
    for hierarchy in hierarchies():
        (hierarchy / "cgroup.procs").write_text("0")


def remove(name: str) -> None:
    """Remove the cgroup of machine `name`, which has no process left, and our parent group if it was the last."""
    for hierarchy in hierarchies():
        for path, _, _ in os.walk(hierarchy / PARENT / name, topdown=False):
            with suppress(FileNotFoundError):
                Path(path).rmdir()
        with suppress(OSError):
            (hierarchy / PARENT).rmdir()
