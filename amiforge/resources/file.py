"""Files: content, owner and mode, landing whole or not at all."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files as package_files
from string import Template
from typing import Annotated, ClassVar

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State
from amiforge.errors import RecipeError
from amiforge.resources.file_state import AbsolutePath, Account, FileState, Mode, look_at
from amiforge.resources.strict import STRICT
from amiforge.shell import Secret, argv, script
from amiforge.systems.system import System

# The temporary file is readable by nobody else until it has its owner and mode. `printf` is the shell's own, so the
# content is in no process list. A label of SELinux depends on the final path.
_WRITE = r"""
path=$1 owner=$2 mode=$3 sum=$4
directory=${path%/*}
mkdir -p -- "${directory:-/}" || exit
new=$(umask 077 && mktemp -- "$directory/.amiforge.XXXXXXXX") || exit
trap 'rm -f -- "$new"' EXIT
trap 'exit 143' HUP INT TERM PIPE
printf %s "$5" | base64 -d >"$new" && chown -- "$owner" "$new" && chmod -- "$mode" "$new" || exit
found=$(sha256sum <"$new") || exit
[ "${found%% *}" = "$sum" ] || { printf '%s: what was written reads differently\n' "$path" >&2; exit 1; }
mv -fT -- "$new" "$path" || exit
! command -v restorecon >/dev/null 2>&1 || restorecon -- "$path" >/dev/null 2>&1 || :
"""

TemplateValue = str | int | Secret
TemplateValues = Mapping[str, TemplateValue] | tuple[tuple[str, TemplateValue], ...]


def _pairs(values: TemplateValues) -> tuple[tuple[str, TemplateValue], ...]:
    return tuple(sorted(dict(values).items(), key=lambda pair: pair[0]))


@dataclass(frozen=True, config=STRICT)
class File(Resource):
    r"""A file with this content, owner and mode; missing directories above it are made.

    File("/etc/motd", "hello\n")                                          content as text or bytes
    File("/etc/enroot/enroot.conf", source="enroot/enroot.conf")          a file that comes with amiforge
    File("/etc/x.conf", source="x/x.conf", values={"port": 80})           … with `$port` or `${port}` in it replaced
    File("/etc/token", Secret(token), mode="0600")                        never shown
    File("/etc/old.conf", present=False)                                  removed

    Attributes:
        path: where it is.
        content: what it holds; not together with `source`.
        source: name of a packaged file below `amiforge/files`.
        values: makes content or source a template, in the form of `string.Template`.
        owner: name or number of the owner; `group` likewise.
        mode: octal digits.
        present: False for a file that must not be there.
    """

    contained: ClassVar[bool] = True
    exclusive: ClassVar[bool] = True

    path: AbsolutePath
    content: str | bytes | Secret | None = None
    source: str = ""
    values: Annotated[TemplateValues, AfterValidator(_pairs)] = ()
    owner: Account = "root"
    group: Account = "root"
    mode: Mode = "0644"
    present: bool = True

    def __post_init__(self) -> None:
        given = (self.content is not None) + bool(self.source)
        if given != self.present:
            raise RecipeError(
                f"{self.name} needs {'either content or source' if self.present else 'no content'}",
                fix="give exactly one of content= and source=, or present=False",
            )

    @property
    def name(self) -> str:
        """`file /etc/motd`."""
        return f"file {self.path}"

    def queries(self, system: System) -> tuple[Query[FileState], ...]:
        """Ask what is at the path."""
        return (look_at(self.path),)

    def desired(self, system: System) -> State:
        """Give type, digest of the content, owner, group and mode."""
        if not self.present:
            return {"type": "absent"}
        digest = hashlib.sha256(self._bytes()).hexdigest()
        return {"type": "file", "content": digest, "owner": self.owner, "group": self.group, "mode": self.mode}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same of what is there."""
        found = replies[look_at(self.path)]
        content = found.sha256 or None
        return {"type": found.type, "content": content, **found.metadata(self.owner, self.group)}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Write it whole when its type or content differs; else set only what differs of owner and mode."""
        if not self.present:
            yield Change(f"remove {self.path}", argv("rm", "-f", "--", self.path))
        elif differing & {"type", "content"}:
            yield self._write(str(self.desired(system)["content"]))
        else:
            yield from set_metadata(self.path, differing, self.owner, self.group, self.mode)

    def _write(self, digest: str) -> Change:
        content = self._bytes()
        text = base64.b64encode(content).decode()
        sent = Secret(text) if isinstance(self._rendered(), Secret) else text
        summary = f"write {self.path} ({len(content)} bytes)"
        owner = f"{self.owner}:{self.group}"
        return Change(summary, script(_WRITE, self.path, owner, self.mode, digest, sent, summary=summary))

    def _bytes(self) -> bytes:
        content = self._rendered()
        if isinstance(content, Secret):
            content = content.reveal()
        return content if isinstance(content, bytes) else content.encode()

    def _rendered(self) -> str | bytes | Secret:
        content = _packaged(self.source) if self.source else self.content
        if content is None:
            return b""
        return _fill(self.name, content, dict(self.values)) if self.values else content


def set_metadata(path: str, differing: frozenset[str], owner: str, group: str, mode: str) -> Iterator[Change]:
    """Give the changes of owner and mode. The mode comes second: a change of owner clears its setuid bit."""
    owned = differing & {"owner", "group"}
    if owned:
        yield Change(f"own {path} by {owner}:{group}", argv("chown", "--", f"{owner}:{group}", path))
    if "mode" in differing or (owned and mode[0] != "0"):
        yield Change(f"set mode of {path} to {mode}", argv("chmod", "--", mode, path))


def _packaged(source: str) -> bytes:
    found = package_files("amiforge").joinpath("files", *source.split("/"))
    if ".." in source.split("/") or not found.is_file():
        raise RecipeError(f"amiforge carries no file {source!r}", fix="name a file below amiforge/files, task/name")
    return found.read_bytes()


def _fill(name: str, content: str | bytes | Secret, values: Mapping[str, TemplateValue]) -> str | Secret:
    secret = isinstance(content, Secret) or any(isinstance(value, Secret) for value in values.values())
    text = content.reveal() if isinstance(content, Secret) else content
    plain = {key: value.reveal() if isinstance(value, Secret) else value for key, value in values.items()}
    try:
        filled = Template(text.decode() if isinstance(text, bytes) else text).substitute(plain)
    except KeyError as error:
        raise RecipeError(f"{name}: its template wants {error}", fix="give the value in values=") from error
    except ValueError as error:
        raise RecipeError(f"{name}: its template is malformed: {error}", fix="write $$ for a dollar sign") from error
    return Secret(filled) if secret else filled
