"""What the sandbox has in place of vendor packages, as data: read from the TOML files beside this module.

A stand-in has the vendor's name, version and file layout, and no payload. Every one carries a notice that says so.
Adding a package or a version is adding lines to `standins/packages/*.toml`; no code changes.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from amiforge.errors import ConfigError
from amiforge.sandbox import kmod

STANDINS = Path(__file__).parent / "standins"

#: Shown by the console wherever the sandbox is used.
NOTICE = "vendor payloads (kernel, driver, EFA, Lustre, AWS CLI) are stand-ins: names, versions and file layout only"

Arch = Literal["x86_64", "noarch"]


class Strict(BaseModel):
    """Data that is refused when it holds a name we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Module(Strict):
    """A kernel module: a name, where it lies, and what `modinfo` says about it."""

    path: str = Field(pattern=r"^/", description="where the .ko file goes")
    facts: dict[str, str] = Field(description="modinfo entries: version, license, …")
    kernel: str = Field("", description="release of its kernel; empty for one that dkms finishes on the machine")


class Package(Strict):
    """A package in one of the mirror's repositories. Its texts may hold the @TOKENS@ of `Build.fill`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9+._-]*$")
    repository: str = Field(description="repository of the mirror that carries it")
    versions: tuple[str, ...] = Field(min_length=1, description="version-release, oldest first")
    epoch: int = 0
    arch: Arch = "x86_64"
    summary: str
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    files: dict[str, str] = Field({}, description="path on the machine: text; text that starts with #! is executable")
    copies: dict[str, str] = Field({}, description="path on the machine: name of a file in standins/files")
    links: dict[str, str] = Field({}, description="path on the machine: what the symbolic link points at")
    modules: tuple[Module, ...] = ()
    post: str = Field("", description="sh text, run after the files are in place")
    preun: str = Field("", description="sh text, run before the files go")
    postun: str = Field("", description="sh text, run after the files are gone")
    posttrans: str = Field("", description="sh text, run at the end of the transaction")
    security: str = Field("", description="advisory that the newest version is the fix of, as ALAS2023-2026-1200")


@dataclass(frozen=True, slots=True)
class Build:
    """One version of a package: what becomes one rpm. `mirror` is where the machines find the mirror."""

    package: Package
    version: str
    release: str
    mirror: str

    @property
    def name(self) -> str:
        """Full name, as `rpm -q` prints it: name-version-release.arch."""
        return f"{self.package.name}-{self.version}-{self.release}.{self.package.arch}"

    @property
    def newest(self) -> bool:
        """Whether this is the newest version of its package."""
        return f"{self.version}-{self.release}" == self.package.versions[-1]

    def fill(self, text: str) -> str:
        """Replace the @TOKENS@ of a text."""
        tokens = {
            "NAME": self.package.name,
            "VERSION": self.version,
            "RELEASE": self.release,
            "EVR": f"{self.package.epoch}:{self.version}-{self.release}",
            "KERNEL": f"{self.version}-{self.release}.{self.package.arch}",
            "MIRROR": self.mirror,
            "VERMAGIC_OFFSET": str(kmod.VERMAGIC_OFFSET),
        }
        for token, value in tokens.items():
            text = text.replace(f"@{token}@", value)
        return text

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Give each file of the package: path on the machine and content; the notice comes first."""
        yield f"/usr/share/doc/{self.package.name}-{self.version}-{self.release}/STAND-IN", notice(self.name).encode()
        for path, text in self.package.files.items():
            yield self.fill(path), self.fill(text).encode()
        for path, name in self.package.copies.items():
            yield self.fill(path), self.fill((STANDINS / "files" / name).read_text()).encode()
        for module in self.package.modules:
            facts = {key: self.fill(value) for key, value in module.facts.items()}
            facts["description"] = "stand-in made by the amiforge sandbox, cannot be loaded"
            yield self.fill(module.path), kmod.module(facts, self.fill(module.kernel))

    def links(self) -> Iterator[tuple[str, str]]:
        """Give each symbolic link of the package: path on the machine and target."""
        for path, target in self.package.links.items():
            yield self.fill(path), self.fill(target)


def notice(name: str) -> str:
    """Give the text that every stand-in carries."""
    return (
        f"This is a stand-in for {name}, made by the amiforge sandbox.\n"
        "It has the name, version and file layout of the vendor's package and none of its payload.\n"
    )


def packages(folder: Path = STANDINS / "packages") -> tuple[Package, ...]:
    """Read all packages, in file order.

    Raises:
        ConfigError: a file is not TOML, or an entry has an unknown name or an impossible value.
    """
    found: list[Package] = []
    for path in sorted(folder.glob("*.toml")):
        found.extend(_package(path, entry) for entry in read_toml(path).get("package", []))
    return tuple(found)


def builds(catalog: tuple[Package, ...], mirror: str) -> Iterator[Build]:
    """Give one build a version of every package, for machines that find the mirror at an address.

    Raises:
        ConfigError: a version has no release part.
    """
    for package in catalog:
        for text in package.versions:
            version, dash, release = text.partition("-")
            if not dash or "-" in release:
                raise ConfigError(f"stand-in {package.name}: version {text!r} is not version-release")
            yield Build(package, version, release, mirror)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: it is not TOML; names the file and the place.
    """
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name} is not TOML: {error}", file=str(path)) from None


def fingerprint() -> str:
    """Give a hash over all stand-in data and the code that turns it into packages: changes when a build would."""
    digest = hashlib.sha256()
    code = (
        path
        for path in Path(__file__).parent.glob("*.py")
        if path.stem in {"artifacts", "kmod", "mirror", "rpm", "standins"}
    )
    for path in sorted((*code, *(path for path in STANDINS.rglob("*") if path.is_file()))):
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _package(path: Path, entry: dict[str, Any]) -> Package:
    try:
        return Package.model_validate(entry)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_url=False))
        raise ConfigError(f"{path.name}, package {entry.get('name', '?')}: {problems}", file=str(path)) from None
