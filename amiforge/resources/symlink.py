"""Symbolic links."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State
from amiforge.errors import RecipeError
from amiforge.resources.file_state import AbsolutePath, FileState, look_at
from amiforge.resources.strict import STRICT
from amiforge.shell import argv, script
from amiforge.systems.system import System

# `ln -f` removes the old link before it makes the new one; a rename leaves no moment without a link.
_LINK = r"""
directory=${1%/*}
mkdir -p -- "${directory:-/}" || exit
new=$directory/.amiforge.$$
ln -s -- "$2" "$new" || exit
mv -fT -- "$new" "$1" || { rm -f -- "$new"; exit 1; }
"""


def _target(target: str) -> str:
    if any(ord(letter) < ord(" ") or letter == "\x7f" for letter in target):
        raise RecipeError(f"{target!r} is no target of a link", fix="give a path without control characters")
    return target


@dataclass(frozen=True, config=STRICT)
class Symlink(Resource):
    """A symbolic link to a target, which need not exist and may be relative to the link.

    Symlink("/usr/local/cuda", "/usr/local/cuda-13.0")
    """

    exclusive: ClassVar[bool] = True

    path: AbsolutePath
    target: Annotated[str, AfterValidator(_target)] = ""
    present: bool = True

    def __post_init__(self) -> None:
        if bool(self.target) != self.present:
            raise RecipeError(f"{self.name} needs {'a target' if self.present else 'no target'}", fix="see its target=")

    @property
    def name(self) -> str:
        """`link /usr/local/cuda`."""
        return f"link {self.path}"

    def queries(self, system: System) -> tuple[Query[FileState], ...]:
        """Ask what is at the path."""
        return (look_at(self.path),)

    def desired(self, system: System) -> State:
        """Give type and target."""
        return {"type": "link", "target": self.target} if self.present else {"type": "absent"}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same of what is there."""
        found = replies[look_at(self.path)]
        return {"type": found.type, "target": found.target or None}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Put the link in its place in one step, or remove it."""
        if self.present:
            summary = f"link {self.path} to {self.target}"
            yield Change(summary, script(_LINK, self.path, self.target, summary=summary))
        else:
            yield Change(f"remove {self.path}", argv("rm", "-f", "--", self.path))
