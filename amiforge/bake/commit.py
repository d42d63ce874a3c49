"""The git commit that a bake is made from."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

#: Seconds that git may take, which looks at every file that it keeps.
_PATIENCE = 10

#: A name for the commit itself, whatever tags there are; no file is locked, and no program of the repository runs.
_DESCRIBE = ("-c", "core.fsmonitor=false", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty")


def commit(folder: Path) -> str:
    """Give the commit that a folder is checked out at, by 12 or more digits.

    `-dirty` follows where files that git keeps, anywhere in the repository, are not as committed. Empty where the
    folder is in no repository, or git is not installed, or does not trust the repository's owner.
    """
    place = folder.absolute()
    if not any((above / ".git").exists() for above in (place, *place.parents)):
        return ""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(place), *_DESCRIBE],
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE,
            stdin=subprocess.DEVNULL,
            env={**ours, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout.strip()
