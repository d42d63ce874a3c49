"""The stand-in data: packages, repositories, downloads and source images, read from `standins/*.toml`.

One file a component. `standins/README.md` says how to add something; no code changes for it.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from amiforge.errors import ConfigError
from amiforge.sandbox.artifacts import Artifact
from amiforge.sandbox.standins import STANDINS, Build, Format, Origin, Package, Strict

#: Where in the mirror lies what no machine sees.
UNSERVED = "unserved"
#: What a file may have entries of.
_KINDS = ("package", "repository", "artifact", "image")

_CODE = ("artifacts", "catalog", "deb", "kmod", "mirror", "pool", "rpm", "signing", "standins")


class Repository(Strict):
    """A package repository of the mirror; without a path, packages that no machine sees as a repository."""

    name: str
    kind: Format = "rpm"
    path: str = Field("", description="host and path as the vendor serves it; empty for one that is not served")
    mirror_lists: tuple[str, ...] = Field((), description="rpm: host and path of each mirror list that names it")
    suite: str = Field("/", description="deb: suite below dists; / for a repository that is one folder")
    component: str = Field("main", description="deb: component of the suite")
    pockets: bool = Field(False, description="deb: whether updates lie in SUITE-updates and SUITE-security")
    origin: str = Field("amiforge sandbox", description="deb: Origin of its Release file, which pins go by")
    label: str = Field("", description="deb: Label of its Release file; empty for the origin")
    key: str = Field("", description="host and path at which its signing key is served")

    @property
    def folder(self) -> str:
        """Where it lies in the mirror."""
        return self.path or f"{UNSERVED}/{self.name}"

    @property
    def flat(self) -> bool:
        """Whether packages and index lie in the folder itself."""
        return self.kind == "rpm" or self.suite == "/"

    def suites(self, members: Sequence[Build]) -> dict[str, list[Build]]:
        """Give the suites of a deb repository and what each holds."""
        if self.kind == "rpm":
            return {}
        suites: dict[str, list[Build]] = {self.suite: []}
        if self.pockets:
            suites |= {f"{self.suite}-updates": [], f"{self.suite}-security": []}
        for build in members:
            suites[self.suite + (build.pocket if self.pockets else "")].append(build)
        return suites


class Image(Strict):
    """A source image as the data describes it: what is installed over the base root, or over another source image."""

    name: str = Field(description="image name, as the vendor's")
    system: Literal["al2023", "amzn2", "ubuntu2204", "ubuntu2404"] = Field(description="operating system")
    base: str = Field("", description="name of the source image it is made over; empty for the base root")
    description: str
    creation_date: str
    owner_id: str
    owner_alias: str = "amazon"
    architecture: Literal["x86_64"] = "x86_64"
    user: str = Field("", pattern=r"^[a-z0-9_-]*$", description="login user; empty for the system's own")
    root_device: str = Field("", description="name of the root volume; empty for the system's own")
    size: int = Field(20, description="size of the root volume in GiB; nothing enforces it")
    parameters: tuple[str, ...] = Field((), description="public SSM parameters that hold its id")
    values: dict[str, str] = Field({}, description="other public SSM parameters and what they hold")
    repositories: tuple[str, ...] = Field((), description="repositories of the mirror to install from")
    install: tuple[str, ...] = Field((), description="packages to install, as dnf or apt-get take them")
    remove: tuple[str, ...] = Field((), description="packages to remove first, that `base` brought")
    script: str = Field("", description="sh text that runs in the layer at the end, as root")


@dataclass(frozen=True, slots=True)
class Catalog:
    """All stand-in data."""

    packages: tuple[Package, ...]
    repositories: tuple[Repository, ...]
    artifacts: tuple[Artifact, ...]
    images: tuple[Image, ...]

    def repository(self, name: str) -> Repository:
        """Find a repository.

        Raises:
            ConfigError: there is none of this name.
        """
        return _named(self.repositories, "repository", name)

    def image(self, name: str) -> Image:
        """Find a source image.

        Raises:
            ConfigError: there is none of this name.
        """
        return _named(self.images, "image", name)

    def builds(self, origin: Origin) -> Iterator[Build]:
        """Give one build a version of every package; one that two repositories have in common comes twice.

        Raises:
            ConfigError: an rpm's version has no release part, a package's repositories are of two kinds, or two
                packages that differ have the same full name.
        """
        known: dict[str, Package] = {}
        for package in self.packages:
            kinds = {self.repository(name).kind for name in package.repository}
            if len(kinds) > 1:
                raise ConfigError(f"stand-in {package.name}: its repositories are of two kinds")
            for build in _builds(package, origin, kinds.pop()):
                content = build.package.content
                if known.setdefault(build.name, content) != content:
                    raise ConfigError(f"two stand-ins that differ are {build.name}")
                yield build

    @property
    def key_paths(self) -> tuple[str, ...]:
        """Host and path of every signing key that is served."""
        keys = {repository.key for repository in self.repositories} | {artifact.key for artifact in self.artifacts}
        return tuple(sorted(keys - {""}))


def read_catalog(folder: Path = STANDINS) -> Catalog:
    """Read all stand-in data, in the order of the files' names.

    Raises:
        ConfigError: a file is not TOML, or an entry has an unknown name or an impossible value.
    """
    files = [(path.name, _read_toml(path)) for path in sorted(folder.glob("*.toml"))]
    return Catalog(
        packages=_entries([(name, _by_repository(data)) for name, data in files], "package", Package),
        repositories=_entries(files, "repository", Repository),
        artifacts=_entries(files, "artifact", Artifact),
        images=_entries(files, "image", Image),
    )


def fingerprint() -> str:
    """Give a hash over all stand-in data and the code that serves it: changes when the mirror would."""
    digest = hashlib.sha256()
    code = (Path(__file__).with_name(f"{name}.py") for name in _CODE)
    for path in sorted((*code, *(path for path in STANDINS.rglob("*") if path.is_file()))):
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


_Named = TypeVar("_Named", Repository, Image)
_Entry = TypeVar("_Entry", Package, Repository, Artifact, Image)


def _named(entries: tuple[_Named, ...], kind: str, name: str) -> _Named:
    for entry in entries:
        if entry.name == name:
            return entry
    raise ConfigError(f"the sandbox's stand-ins have no {kind} {name!r}")


def _builds(package: Package, origin: Origin, kind: Format) -> Iterator[Build]:
    for text in package.versions:
        version, dash, release = text.rpartition("-")
        if kind == "rpm" and (not dash or "-" in version):
            raise ConfigError(f"stand-in {package.name}: version {text!r} is not version-release")
        # a native Debian package has a version and no revision
        build = Build(package, version or release, release if dash else "", origin, kind)
        named = package.model_copy(update={"name": build.fill(package.name)})
        yield Build(named, build.version, build.release, origin, kind)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not TOML: {error}", file=str(path)) from None
    for kind, entries in data.items():
        if kind not in _KINDS:
            raise ConfigError(f"{path.name}: there is no {kind}", file=str(path), fix=f"use one of {', '.join(_KINDS)}")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ConfigError(f"{path.name}: {kind} is no list of tables", file=str(path), fix=f"write [[{kind}]]")
    return data


def _by_repository(data: dict[str, Any]) -> dict[str, Any]:
    """Turn each package whose versions are a table by repository into one package a repository."""
    packages: list[dict[str, Any]] = []
    for entry in data.get("package", []):
        versions = entry.get("versions")
        if isinstance(versions, dict) and "repository" not in entry:
            packages += [{**entry, "repository": name, "versions": versions[name]} for name in versions]
        else:
            packages.append(entry)
    return {"package": packages}


def _entries(files: list[tuple[str, dict[str, Any]]], kind: str, model: type[_Entry]) -> tuple[_Entry, ...]:
    return tuple(_entry(file, kind, model, entry) for file, data in files for entry in data.get(kind, []))


def _entry(file: str, kind: str, model: type[_Entry], entry: dict[str, Any]) -> _Entry:
    try:
        return model.model_validate(entry)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_url=False))
        name = entry.get("name") or entry.get("path") or "?"
        raise ConfigError(f"{file}, {kind} {name}: {problems}") from None
