"""Package repositories, each with the key that signs it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, cast

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State
from amiforge.errors import RecipeError
from amiforge.resources.file import File
from amiforge.resources.signing_key import fetch_key, fingerprints, key_at
from amiforge.resources.strict import STRICT
from amiforge.systems.package_manager import RepositoryOptions
from amiforge.systems.system import System

_URL = re.compile(r"https?://[^\s/]+(?:/[\x21-\x7e]*)?")

#: Settings that say who may sign. Signatures are always checked, with the key of the repository and no other.
_SIGNING = {"gpgcheck", "gpgkey", "repo_gpgcheck", "signed-by", "trusted", "allow-insecure", "allow-weak"}

Settings = Mapping[str, str] | tuple[tuple[str, str], ...]


def _id(given: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", given):
        raise RecipeError(f"{given!r} is no id of a repository", fix="use letters, digits, - and _")
    return given


def _url(given: str) -> str:
    if not _URL.fullmatch(given):
        raise RecipeError(f"{given!r} is no address of a repository or key", fix="write it as https://host/path")
    return given


def _fingerprint(given: str) -> str:
    digits = given.replace(" ", "").upper()
    if digits and not re.fullmatch(r"[0-9A-F]{40}", digits):
        raise RecipeError(f"{given!r} is no fingerprint of a key", fix="give all 40 hexadecimal digits")
    return digits


def _line(given: str) -> str:
    if not all(letter.isprintable() for letter in given):
        raise RecipeError(f"{given!r} holds control characters", fix="write it on one line")
    return given


def _settings(given: Settings) -> tuple[tuple[str, str], ...]:
    pairs = tuple(sorted(dict(given).items()))
    for key, value in pairs:
        if not re.fullmatch(r"[A-Za-z][A-Za-z_-]*", key) or key.lower() in _SIGNING:
            raise RecipeError(f"a repository cannot have the setting {key!r}", fix="signatures are always checked")
        _line(value)
    return pairs


@dataclass(frozen=True, config=STRICT)
class Repository(Resource):
    """A package repository is known, with its signing key, and packages from it must be signed.

    Repository("neuron", "https://yum.repos.neuron.amazonaws.com", key_url=…, settings={"metadata_expire": "0"})
    Repository("docker", "https://download.docker.com/linux/ubuntu", key_url=…, components="stable")
    Repository("cuda", "https://developer.download.nvidia.com/…/ubuntu2404/x86_64/", key_url=…, suites="/")

    Attributes:
        id: names its files.
        url: where it is; rewritten when downloads come from a mirror, as is `key_url`.
        key_url: its armored OpenPGP key.
        key_fingerprint: 40 hexadecimal digits, spaces allowed; empty trusts what `key_url` gives on first use.
        suites: deb only: empty for the codename of the system, `/` for a flat repository. `components` likewise.
        settings: further lines of its file.
        present: False for a repository that must not be known.
    """

    id: Annotated[str, AfterValidator(_id)]
    url: Annotated[str, AfterValidator(_url)]
    key_url: Annotated[str, AfterValidator(_url)]
    key_fingerprint: Annotated[str, AfterValidator(_fingerprint)] = ""
    suites: Annotated[str, AfterValidator(_line)] = ""
    components: Annotated[str, AfterValidator(_line)] = ""
    settings: Annotated[Settings, AfterValidator(_settings)] = ()
    present: bool = True

    @property
    def name(self) -> str:
        """`repository neuron`."""
        return f"repository {self.id}"

    def queries(self, system: System) -> Iterator[Query[Any]]:
        """Ask for its file and its key."""
        yield from self._file(system).queries(system)
        yield key_at(system.os.packages.key_path(self.id))

    def desired(self, system: System) -> State:
        """Give the state of its file, and the key's fingerprint, or that there is one."""
        key = (self.key_fingerprint or "present") if self.present else "absent"
        return {**self._file(system).desired(system), "key": key}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same of what is there."""
        key = replies[key_at(system.os.packages.key_path(self.id))]
        return {**self._file(system).actual(replies, system), "key": self._key(key)}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Fetch the key first, so that the repository is never known without it; then read its metadata."""
        manager = system.os.packages
        file = self._file(system)
        path = manager.key_path(self.id)
        if self.present and "key" in differing:
            yield Change(
                f"fetch the key of {self.id}", fetch_key(system.mirrored(self.key_url), path, self.key_fingerprint)
            )
        if differing - {"key"}:
            yield from file.changes(differing - {"key"}, system)
        if not self.present and "key" in differing:
            yield from File(path, present=False).changes(frozenset({"type"}), system)
        if self.present:
            yield Change(f"read {self.id}", manager.refresh(self.id), job=True, locks=manager.locks)

    def _file(self, system: System) -> File:
        manager = system.os.packages
        path = manager.repository_path(self.id)
        if not self.present:
            return File(path, present=False)
        lines = cast("tuple[tuple[str, str], ...]", self.settings)  # what its validator made of it
        settings = tuple((key, system.mirrored(value) if _URL.fullmatch(value) else value) for key, value in lines)
        options = RepositoryOptions(
            self.id, system.mirrored(self.url), self.suites or system.os.codename, self.components, settings
        )
        return File(path, manager.repository_text(options))

    def _key(self, key: bytes | None) -> str:
        if key is None:
            return "absent"
        found = fingerprints(key)
        if not found:
            return "no OpenPGP key"
        if self.key_fingerprint:
            return ", ".join(sorted(set(found)))
        return "present"
