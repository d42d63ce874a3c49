"""Single keys of a JSON file whose other keys are somebody else's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, cast

from pydantic import AfterValidator, InstanceOf
from pydantic.dataclasses import dataclass

from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State, Unknown
from amiforge.errors import RecipeError
from amiforge.resources.file import File
from amiforge.resources.file_content import content_of
from amiforge.resources.file_state import AbsolutePath, FileState, look_at
from amiforge.resources.strict import STRICT
from amiforge.systems.system import System

#: Pointers and the JSON text of what they point to.
Pairs = tuple[tuple[str, str], ...]


def _pairs(values: Mapping[str, Any] | Pairs) -> Pairs:
    texts = {key: _text(value) for key, value in values.items()} if isinstance(values, Mapping) else dict(values)
    for pointer in texts:
        if not re.fullmatch(r"(/([^/~\x00-\x1f]|~[01])+)+", pointer):
            raise RecipeError(f"{pointer!r} points to no key of a JSON file", fix="write it as /runtimes/nvidia/path")
    for pointer in texts:
        inner = next((other for other in texts if other.startswith(f"{pointer}/")), None)
        if inner:
            raise RecipeError(f"{inner} is a part of {pointer}", fix="give one of them")
    return tuple(sorted(texts.items()))


def _text(value: Any) -> str:
    """Give the one text of a JSON value; equal values have equal texts."""
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"{value!r} is no value of JSON: {error}", fix="give text, numbers, lists or tables"
        ) from None


@dataclass(frozen=True, config=STRICT)
class JsonKeys(Resource):
    """Keys of a JSON file have these values; all other keys stay as they are, and so do owner and mode.

    JsonKeys("/etc/docker/daemon.json", {"/log-opts/max-size": "100m", "/runtimes/nvidia/args": []})

    Objects on the way are made. A file that is not there is made, with mode 0644.

    Attributes:
        path: the file.
        values: what each JSON pointer (RFC 6901) points to; None for a key that must not be there.
        found: what the file holds, and `kept` its owner and mode; the engine fills them in.
    """

    path: AbsolutePath
    values: Annotated[Mapping[str, Any] | Pairs, AfterValidator(_pairs)]
    found: bytes = b""
    kept: InstanceOf[FileState] = FileState()

    @property
    def name(self) -> str:
        """`keys of /etc/docker/daemon.json`."""
        return f"keys of {self.path}"

    @property
    def _values(self) -> Pairs:
        return cast("Pairs", self.values)  # what its validator made of it

    def queries(self, system: System) -> tuple[Query[Any], ...]:
        """Ask what the file holds, and whose it is."""
        return (content_of(self.path), look_at(self.path))

    def resolved(self, replies: Replies, system: System) -> Resource:
        """Give the resource with what the file holds."""
        return replace(self, found=replies[content_of(self.path)] or b"", kept=replies[look_at(self.path)])

    def desired(self, system: System) -> State:
        """Give the JSON text of each value, None for none."""
        return {pointer: None if text == "null" else text for pointer, text in self._values}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same of what is there.

        Raises:
            Unknown: the file holds no JSON object.
        """
        document = self._document()
        return {pointer: _at(document, pointer) for pointer, _ in self._values}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Write the file with the keys that differ in it."""
        document = self._document()
        for pointer, text in self._values:
            if pointer in differing:
                _put(document, pointer, json.loads(text))
        owner, group, mode = self.kept.uid or "root", self.kept.gid or "root", self.kept.mode or "0644"
        file = File(self.path, json.dumps(document, indent=4) + "\n", owner=owner, group=group, mode=mode)
        for change in file.changes(frozenset({"content"}), system):
            yield replace(change, summary=f"set {', '.join(sorted(differing))} in {self.path}")

    def _document(self) -> dict[str, Any]:
        if not self.found.strip():
            return {}
        try:
            document = json.loads(self.found)
        except ValueError as error:
            raise Unknown(f"{self.path} is no JSON: {error}; mend it or remove it") from None
        if not isinstance(document, dict):
            raise Unknown(f"{self.path} holds no JSON object; mend it or remove it")
        return document


def _keys(pointer: str) -> list[str]:
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]


def _at(document: Any, pointer: str) -> str | None:
    for key in _keys(pointer):
        if not isinstance(document, dict) or key not in document:
            return None
        document = document[key]
    return _text(document)


def _put(document: dict[str, Any], pointer: str, value: Any) -> None:
    """Set a key, or remove it for None; whatever is no object on the way to it gives way to one."""
    *outer, last = _keys(pointer)
    for key in outer:
        if not isinstance(document.get(key), dict):
            document[key] = {}
        document = document[key]
    if value is None:
        document.pop(last, None)
    else:
        document[last] = value
