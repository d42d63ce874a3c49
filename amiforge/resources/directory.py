"""Directories: owner and mode, there or not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic.dataclasses import dataclass

from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State
from amiforge.errors import RecipeError
from amiforge.resources.file import set_metadata
from amiforge.resources.file_state import AbsolutePath, Account, FileState, Mode, look_at
from amiforge.resources.strict import STRICT
from amiforge.shell import argv
from amiforge.systems.system import System

#: What lies directly below these belongs to the operating system as a whole.
_SHARED = ("", "/usr", "/var")


def refuse_shared(path: str) -> None:
    """Refuse to remove or replace a directory that belongs to the operating system.

    Raises:
        RecipeError: it does.
    """
    if path.rpartition("/")[0] in _SHARED:
        raise RecipeError(f"{path} cannot be removed as a whole", fix="name a directory inside it")


@dataclass(frozen=True, config=STRICT)
class Directory(Resource):
    """A directory with this owner and mode; missing ones above it are made.

    Directory("/etc/amiforge")                          root's, 0755
    Directory("/var/tmp/build", present=False)          removed with all that is in it

    What belongs to the operating system, as `/etc` or `/var/lib`, is never removed.
    """

    exclusive: ClassVar[bool] = True

    path: AbsolutePath
    owner: Account = "root"
    group: Account = "root"
    mode: Mode = "0755"
    present: bool = True

    def __post_init__(self) -> None:
        if not self.present:
            refuse_shared(self.path)

    @property
    def name(self) -> str:
        """`directory /etc/amiforge`."""
        return f"directory {self.path}"

    def queries(self, system: System) -> tuple[Query[FileState], ...]:
        """Ask what is at the path."""
        return (look_at(self.path),)

    def desired(self, system: System) -> State:
        """Give type, owner, group and mode."""
        if not self.present:
            return {"type": "absent"}
        return {"type": "directory", "owner": self.owner, "group": self.group, "mode": self.mode}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same of what is there."""
        found = replies[look_at(self.path)]
        return {"type": found.type, **found.metadata(self.owner, self.group)}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Make or remove it, or set only what differs."""
        if not self.present:
            yield Change(f"remove {self.path} and what is in it", argv("rm", "-rf", "--", self.path))
        elif "type" in differing:
            options = ("-d", "-o", self.owner, "-g", self.group, "-m", self.mode)
            yield Change(f"make directory {self.path}", argv("install", *options, "--", self.path))
        else:
            yield from set_metadata(self.path, differing, self.owner, self.group, self.mode)
