"""Package repositories, each with the key that signs it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, cast

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.download import Download
from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State, Value
from amiforge.errors import RecipeError
from amiforge.resources.file import File
from amiforge.resources.file_content import content_of
from amiforge.resources.signature import as_fingerprint, as_key_url
from amiforge.resources.signing_key import fetch_key, fingerprints
from amiforge.resources.strict import STRICT
from amiforge.systems.package_manager import RepositoryOptions
from amiforge.systems.system import System

_URL = re.compile(r"https?://[^\s/]+(?:/[\x21-\x7e]*)?")

#: Settings that say who may sign. Signatures are always checked, with the key of the repository and no other.
_SIGNING = {
    *("gpgcheck", "gpgkey", "pkg_gpgcheck", "repo_gpgcheck", "sslverify"),
    *("signed-by", "trusted", "allow-insecure", "allow-weak", "allow-downgrade-to-insecure"),
}

Settings = Mapping[str, str] | tuple[tuple[str, str], ...]


def _id(given: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", given):
        raise RecipeError(f"{given!r} is no id of a repository", fix="use letters, digits, - and _")
    return given


def _url(given: str) -> str:
    if not _URL.fullmatch(given):
        raise RecipeError(f"{given!r} is no address of a repository", fix="write it as https://host/path")
    return given


def _line(given: str) -> str:
    if not all(letter.isprintable() for letter in given):
        raise RecipeError(f"{given!r} holds control characters", fix="write it on one line")
    return given


def _patterns(given: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in given:
        if not re.fullmatch(r"[A-Za-z0-9*?\[][A-Za-z0-9.+_*?\[\]-]*", pattern):
            raise RecipeError(f"{pattern!r} is no package name or shell pattern", fix="write it as nvidia-*")
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
        key_fingerprint: 40 hexadecimal digits, spaces allowed; empty trusts what `key_url` gives on first use, which
            amiforge.lock records and enforces from then on.
        suites: deb only: empty for the codename of the system, `/` for a flat repository. `components` likewise.
        settings: further lines of its file.
        only: names or shell patterns of the packages that may come from it; empty for all. Where two repositories have
            the same packages, each should say what it is there for.
        preferred: where it and another repository have the same package, its own one counts, whatever the versions.
            dnf and yum need that for what Amazon Linux has too: its own repositories come before others.
        release: deb only, and needed for `only` and `preferred`: how its Release file names it, `o=Docker`,
            `l=NVIDIA CUDA`. A host name would not do: behind a mirror all repositories have the same.
        mirror_list: rpm only: `url` is the address of a list of mirrors, as Amazon Linux has them.
        signed_index: rpm only: the vendor signs the repository's index too, so that nobody can withhold newer packages
            or mix old ones in. apt always demands that.
        present: False for a repository that must not be known.
    """

    id: Annotated[str, AfterValidator(_id)]
    url: Annotated[str, AfterValidator(_url)]
    key_url: Annotated[str, AfterValidator(as_key_url)]
    key_fingerprint: Annotated[str, AfterValidator(as_fingerprint)] = ""
    suites: Annotated[str, AfterValidator(_line)] = ""
    components: Annotated[str, AfterValidator(_line)] = ""
    settings: Annotated[Settings, AfterValidator(_settings)] = ()
    only: Annotated[tuple[str, ...], AfterValidator(_patterns)] = ()
    preferred: bool = False
    release: Annotated[str, AfterValidator(_line)] = ""
    mirror_list: bool = False
    signed_index: bool = False
    present: bool = True

    @property
    def name(self) -> str:
        """`repository neuron`."""
        return f"repository {self.id}"

    def queries(self, system: System) -> Iterator[Query[Any]]:
        """Ask for its files and its key."""
        for file in self._files(system).values():
            yield from file.queries(system)
        yield content_of(system.os.packages.key_path(self.id))

    def desired(self, system: System) -> State:
        """Give the state of its files, and the key's fingerprint, or that there is one."""
        files = {prefix: file.desired(system) for prefix, file in self._files(system).items()}
        key = (self._wanted_key(system) or "present") if self.present else "absent"
        return {**_flat(files), "key": key}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same of what is there."""
        key = replies[content_of(system.os.packages.key_path(self.id))]
        files = {prefix: file.actual(replies, system) for prefix, file in self._files(system).items()}
        return {**_flat(files), "key": _found(key, by_fingerprint=bool(self._wanted_key(system)))}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Fetch the key first, so that the repository is never known without it; then read its metadata."""
        manager = system.os.packages
        path = manager.key_path(self.id)
        if self.present and "key" in differing:
            fetch = fetch_key(self.key_url, system, path, self.key_fingerprint)
            yield Change(f"fetch the key of {self.id}", fetch, job=True)
        for prefix, file in self._files(system).items():
            keys = {key.removeprefix(prefix) for key in differing if key in _flat({prefix: file.desired(system)})}
            if keys:
                yield from file.changes(frozenset(keys), system)
        if not self.present and "key" in differing:
            yield from File(path, present=False).changes(frozenset({"type"}), system)
        if self.present:
            yield Change(f"read {self.id}", manager.refresh(self.id), job=True, locks=manager.locks)

    def downloads(self, system: System) -> Iterator[Download]:
        """Give the repository and its key."""
        if self.present:
            yield Download("repository", self.url, signed=True)
            yield Download("key", self.key_url, self.key_fingerprint)

    def _wanted_key(self, system: System) -> str:
        return system.fingerprint(self.key_url, self.key_fingerprint)

    def _files(self, system: System) -> dict[str, File]:
        """Give its files by what their keys begin with: its description, and which packages come from it."""
        manager = system.os.packages
        files = {"": _file(manager.repository_path(self.id), manager.repository_text(self._options(system)))}
        if preferences := manager.preferences_path(self.id):
            files["preferences "] = _file(preferences, manager.preferences_text(self._options(system)))
        return files if self.present else {prefix: _file(file.path, "") for prefix, file in files.items()}

    def _options(self, system: System) -> RepositoryOptions:
        lines = cast("tuple[tuple[str, str], ...]", self.settings)  # what its validator made of it
        return RepositoryOptions(
            self.id,
            system.mirrored(self.url),
            self.suites or system.os.codename,
            self.components,
            tuple((key, system.mirrored(value) if _URL.fullmatch(value) else value) for key, value in lines),
            self.only,
            self.preferred,
            self.release,
            self.mirror_list,
            self.signed_index,
        )


def _file(path: str, text: str) -> File:
    return File(path, text) if text else File(path, present=False)


def _flat(files: Mapping[str, State]) -> dict[str, Value]:
    return {f"{prefix}{key}": value for prefix, state in files.items() for key, value in state.items()}


def _found(key: bytes | None, *, by_fingerprint: bool) -> str:
    if key is None:
        return "absent"
    found = fingerprints(key)
    if not found:
        return "no OpenPGP key"
    return ", ".join(sorted(set(found))) if by_fingerprint else "present"
