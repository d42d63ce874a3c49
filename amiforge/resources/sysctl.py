"""Kernel parameters: at every boot, and now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.query import Answer, Query, QueryKind, Replies
from amiforge.engine.resource import Change, Resource, State, Value
from amiforge.errors import RecipeError
from amiforge.resources.file import File
from amiforge.resources.strict import STRICT
from amiforge.shell import script
from amiforge.systems.system import System

# Asked for paths below /proc/sys. What root may not write there is not this machine's to decide.
_SCRIPT = r"""
for path do
  [ -e "/proc/sys/$path" ] || { printf 'absent %s\n' "$path"; continue; }
  [ -w "/proc/sys/$path" ] || { printf 'fixed %s\n' "$path"; continue; }
  printf 'value %s %s\n' "$path" "$(tr '\n' ' ' <"/proc/sys/$path")"
done
"""

#: What `SYSCTLS` answers for a value that root may not write.
FIXED = "not to be changed here"


def _parse(answer: Answer, paths: Sequence[str]) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    for line in answer.text.splitlines():
        word, _, rest = line.partition(" ")
        path, _, value = rest.partition(" ")
        found[path] = {"absent": None, "fixed": FIXED}.get(word, " ".join(value.split()))
    return {path: found[path] for path in paths if path in found}


SYSCTLS = QueryKind("sysctls", _SCRIPT, _parse)


def parameter(key: str) -> str:
    """Give the name of a kernel parameter as it is.

    Raises:
        RecipeError: it is none.
    """
    if not re.fullmatch(r"[a-z0-9_]+([./][A-Za-z0-9_:@-]+)+", key):
        raise RecipeError(f"{key!r} is no kernel parameter", fix="write it as net.core.somaxconn")
    return key


def parameter_value(value: str | int) -> str:
    """Give a value as words with single spaces.

    Raises:
        RecipeError: no kernel parameter has such a value.
    """
    text = " ".join(str(value).split())
    if not re.fullmatch(r"[\x20-\x7e]+", text):
        raise RecipeError(f"{value!r} is no value of a kernel parameter", fix="give numbers or words")
    return text


def live_value(key: str) -> Query[str | None]:
    """Give the question for the value in the running kernel: None where there is no such parameter."""
    return Query(SYSCTLS, _path(key))


def write_live(key: str, value: str) -> Change:
    """Give the change that sets the value in the running kernel."""
    return Change(f"set {key} to {value}", script(r"""printf '%s\n' "$2" >"/proc/sys/$1" """, _path(key), value))


def _path(key: str) -> str:
    return key if "/" in key else key.replace(".", "/")


@dataclass(frozen=True, config=STRICT)
class Sysctl(Resource):
    """A kernel parameter, in a file of its own below /etc/sysctl.d and in the running kernel.

    Sysctl("net.ipv4.tcp_rmem", "4096 87380 67108864")

    In a container, and wherever root may not write the parameter, only the file counts. White space does not count.

    Attributes:
        key: with dots; with slashes where a part has a dot in it, `net/ipv4/conf/eth0.1/forwarding`.
        value: words or numbers.
    """

    key: Annotated[str, AfterValidator(parameter)]
    value: Annotated[str | int, AfterValidator(parameter_value)]

    @property
    def name(self) -> str:
        """`sysctl net.core.somaxconn`."""
        return f"sysctl {self.key}"

    def queries(self, system: System) -> Iterator[Query[Any]]:
        """Ask for the file, and for the value where it is the host's own."""
        yield from self._file.queries(system)
        if not system.container:
            yield self._live

    def desired(self, system: System) -> State:
        """Give the digest of the file, and the value."""
        wanted: dict[str, Value] = {"file": self._file.desired(system)["content"]}
        return wanted if system.container else {**wanted, "value": str(self.value)}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same of the host; a value that nobody may change counts as wanted."""
        found: dict[str, Value] = {"file": self._file.actual(replies, system)["content"]}
        if not system.container:
            live = replies[self._live]
            found["value"] = str(self.value) if live == FIXED else live
        return found

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Write the file and the value, whatever of them differs."""
        if "file" in differing:
            yield from self._file.changes(frozenset({"type"}), system)
        if "value" in differing:
            yield write_live(self.key, str(self.value))

    @property
    def _live(self) -> Query[str | None]:
        return live_value(self.key)

    @property
    def _file(self) -> File:
        return File(f"/etc/sysctl.d/60-{self.key.replace('/', '-')}.conf", f"{self.key} = {self.value}\n")
