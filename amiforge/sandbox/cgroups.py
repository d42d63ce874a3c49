"""A cgroup for each machine, in the hierarchies in which the machine's systemd tracks its services.

Without one of its own, every machine would sort its services into the same cgroups as every other.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")


def hierarchies(mount: Path = MOUNT) -> list[Path]:
    """Give the root directory of each such hierarchy: cgroup v2, or v1's `systemd` and its v2 companion."""
    if (mount / "cgroup.controllers").exists():
        return [mount]
    return [path for path in (mount / "systemd", mount / "unified") if path.is_dir()]


def groups(name: str, mount: Path = MOUNT) -> list[Path]:
    """Give the directories of machine `name`'s cgroup, whether or not they exist."""
    return [hierarchy / f"amiforge-{name}" for hierarchy in hierarchies(mount)]


def enter(name: str) -> None:
    """Move the calling process into the cgroup of machine `name`, made as needed."""
    for group in groups(name):
        group.mkdir(exist_ok=True)
        (group / "cgroup.procs").write_text("0")


def leave() -> None:
    """Move the calling process to the root cgroups, so that the machine's can be removed."""
    for hierarchy in hierarchies():
        (hierarchy / "cgroup.procs").write_text("0")


def remove(name: str, timeout: float = 5.0) -> None:
    """Remove the cgroup of machine `name`, whose processes are dead or dying. Nothing if there is none.

    Raises:
        OSError: a process was still in it after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    for group in groups(name):
        for path, _, _ in os.walk(group, topdown=False):
            _remove_directory(path, deadline)


def _remove_directory(path: str, deadline: float) -> None:
    while True:
        try:
            Path(path).rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
