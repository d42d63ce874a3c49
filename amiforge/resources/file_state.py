"""What is at a path: one stat and one sha256sum for all paths that anybody asks about."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import AfterValidator

from amiforge.engine.query import Answer, Query, QueryKind
from amiforge.errors import FactUnreadable, RecipeError

PathType = Literal["absent", "file", "directory", "link", "other"]

# Links are neither followed nor hashed, and a pipe or device is never opened: reading one could block for ever.
_SCRIPT = r"""
stat -c 'stat %f %u %g %U %G %s %.9Y %n' -- "$@"
for path do [ ! -L "$path" ] || printf 'link %s\t%s\n' "$path" "$(readlink -- "$path")"; done
for path do
  shift
  [ -L "$path" ] || [ ! -f "$path" ] || set -- "$@" "$path"
done
[ $# -eq 0 ] || sha256sum -- "$@"
"""

_NOT_THERE = ("No such file or directory", "Not a directory")
_STAT_FIELDS = 8


@dataclass(frozen=True, slots=True)
class FileState:
    """What is at a path; a link is not followed.

    Attributes:
        type: what sort of thing it is.
        owner: name of the owner, `UNKNOWN` for one without a name; `uid` is its number. `group`, `gid` likewise.
        mode: permission bits as four octal digits, `0644`.
        size: bytes.
        mtime: last change of the content, in seconds since the epoch.
        sha256: of a regular file's content, in hex; empty for everything else.
        target: where a link points.
    """

    type: PathType = "absent"
    owner: str = ""
    group: str = ""
    uid: str = ""
    gid: str = ""
    mode: str = ""
    size: int = 0
    mtime: float = 0.0
    sha256: str = ""
    target: str = ""

    def metadata(self, owner: str, group: str) -> dict[str, str | None]:
        """Give owner, group and mode in the terms they are wanted in: as numbers where numbers are wanted."""
        if self.type == "absent":
            return {"owner": None, "group": None, "mode": None}
        return {
            "owner": self.uid if owner.isdigit() else self.owner,
            "group": self.gid if group.isdigit() else self.group,
            "mode": self.mode,
        }


def _parse(answer: Answer, paths: Sequence[str]) -> Mapping[str, FileState]:
    _refuse_failures(answer)
    states = dict.fromkeys(paths, FileState())
    link = ""
    for line in answer.text.split("\n"):
        word, _, rest = line.partition(" ")
        if word == "stat" and len(fields := rest.split(" ", _STAT_FIELDS - 1)) == _STAT_FIELDS:
            states[fields[-1]] = _state(fields)
        elif word == "link" and "\t" in rest:
            link, _, target = rest.partition("\t")
            states[link] = replace(states[link], target=target)
        elif "  " in line and (path := _unescaped(line)) in states:
            states[path] = replace(states[path], sha256=line.lstrip("\\")[:64])
        elif link and line:
            states[link] = replace(states[link], target=f"{states[link].target}\n{line}")
    unread = next((path for path, state in states.items() if state.type == "file" and not state.sha256), None)
    if unread is not None:
        raise FactUnreadable(
            f"the host does not say what {unread} holds", stderr=answer.stderr.decode("utf-8", "replace")
        )
    return states


def _refuse_failures(answer: Answer) -> None:
    complaints = answer.stderr.decode("utf-8", "surrogateescape").splitlines()
    serious = [line for line in complaints if line.strip() and not line.rstrip().endswith(_NOT_THERE)]
    if serious:
        raise FactUnreadable(f"the host cannot look at a path: {serious[0]}", stderr="\n".join(complaints[-10:]))


def _state(fields: Sequence[str]) -> FileState:
    raw, uid, gid, owner, group, size, mtime, _ = fields
    try:
        mode = int(raw, 16)
        return FileState(
            _type(mode), owner, group, uid, gid, f"{stat.S_IMODE(mode):04o}", int(size), float(mtime.replace(",", "."))
        )
    except ValueError as error:
        raise FactUnreadable(f"the host's stat says {' '.join(fields)!r}") from error


def _type(mode: int) -> PathType:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "link" if stat.S_ISLNK(mode) else "other"


def _unescaped(line: str) -> str:
    """Give the path of a sha256sum line; it marks a line with a backslash when the name has one."""
    path = line.partition("  ")[2]
    return path.replace("\\\\", "\\") if line.startswith("\\") else path


FILES = QueryKind("files", _SCRIPT, _parse)


def look_at(path: str) -> Query[FileState]:
    """Give the question what is at a path."""
    return Query(FILES, path)


def _plain(path: str) -> str:
    if not path.startswith("/") or any(ord(letter) < ord(" ") or letter == "\x7f" for letter in path):
        raise RecipeError(f"{path!r} is no absolute path without control characters", fix="write it as /etc/name")
    if path != "/" and (path.endswith("/") or any(part in {"", ".", ".."} for part in path[1:].split("/"))):
        raise RecipeError(f"{path!r} has empty or relative parts", fix="write it without //, /., /.. and final /")
    return path


def _mode(mode: str) -> str:
    if not re.fullmatch("[0-7]{3,4}", mode):
        raise RecipeError(f"{mode!r} is no mode", fix='write it as octal digits, "0644"')
    return mode.rjust(4, "0")


def _account(name: str) -> str:
    if not name or name.startswith("-") or any(not letter.isalnum() and letter not in "._-" for letter in name):
        raise RecipeError(f"{name!r} is no name of a user or group", fix="write a name or a number")
    return name


AbsolutePath = Annotated[str, AfterValidator(_plain)]
Mode = Annotated[str, AfterValidator(_mode)]
Account = Annotated[str, AfterValidator(_account)]
