"""Kernel parameters that belong together, in one file, and in the running kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, cast

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State, Value
from amiforge.errors import RecipeError
from amiforge.resources.file import File
from amiforge.resources.strict import STRICT
from amiforge.resources.sysctl import FIXED, live_value, parameter, parameter_value, write_live
from amiforge.systems.system import System

Pairs = tuple[tuple[str, str], ...]


def _file_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise RecipeError(f"{name!r} is no name for a file of kernel parameters", fix="use letters, digits, - and _")
    return name


def _pairs(values: Mapping[str, str | int] | Pairs) -> Pairs:
    return tuple(sorted((parameter(key), parameter_value(value)) for key, value in dict(values).items()))


@dataclass(frozen=True, config=STRICT)
class SysctlFile(Resource):
    """Kernel parameters in `/etc/sysctl.d/60-NAME.conf`, which holds nothing else, and in the running kernel.

    SysctlFile("amiforge", {"net.core.rmem_max": 67108864, "net.ipv4.tcp_rmem": "4096 87380 67108864"})

    A parameter that is taken out of `values` goes out of the file, and keeps its value until the next boot. In a
    container, and wherever root may not write a parameter, only the file counts. White space does not count.

    Attributes:
        file: name of the file, without number and ending.
        values: what the parameters should be, by their names as Sysctl takes them.
    """

    file: Annotated[str, AfterValidator(_file_name)]
    values: Annotated[Mapping[str, str | int] | Pairs, AfterValidator(_pairs)]

    @property
    def name(self) -> str:
        """`kernel parameters amiforge`."""
        return f"kernel parameters {self.file}"

    @property
    def _values(self) -> Pairs:
        return cast("Pairs", self.values)  # what its validator made of it

    @property
    def _file(self) -> File:
        text = "".join(f"{key} = {value}\n" for key, value in self._values)
        return File(f"/etc/sysctl.d/60-{self.file}.conf", text)

    def queries(self, system: System) -> Iterator[Query[Any]]:
        """Ask for the file, and for the values where they are the host's own."""
        yield from self._file.queries(system)
        if not system.container:
            yield from (live_value(key) for key, _ in self._values)

    def desired(self, system: System) -> State:
        """Give the digest of the file, and the values."""
        wanted: dict[str, Value] = {"file": self._file.desired(system)["content"]}
        return wanted if system.container else {**wanted, **dict(self._values)}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same of the host; a value that nobody may change counts as wanted."""
        found: dict[str, Value] = {"file": self._file.actual(replies, system)["content"]}
        if not system.container:
            for key, value in self._values:
                live = replies[live_value(key)]
                found[key] = value if live == FIXED else live
        return found

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Write the file and the values, whatever of them differs."""
        if "file" in differing:
            yield from self._file.changes(frozenset({"type"}), system)
        for key, value in self._values:
            if key in differing:
                yield write_live(key, value)
