"""What the sandbox has in place of vendor packages: one version of a stand-in, and what it is made of.

A stand-in has the vendor's name, version and file layout, and no payload. Every one carries a notice that says so.
The data lies in `standins/*.toml`, read by `amiforge.sandbox.catalog`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from amiforge.errors import ConfigError
from amiforge.sandbox import kmod

STANDINS = Path(__file__).parent / "standins"

#: Shown by the console wherever the sandbox is used.
NOTICE = "vendor payloads (kernel, driver, EFA, Lustre, AWS CLI) are stand-ins: names, versions and file layout only"

Arch = Literal["x86_64", "noarch"]
Format = Literal["rpm", "deb"]


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Strict(BaseModel):
    """Data that is refused when it holds a name we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Module(Strict):
    """A kernel module: a name, where it lies, and what `modinfo` says about it."""

    path: str = Field(description="where the .ko file goes")
    facts: dict[str, str] = Field(description="modinfo entries: version, license, …")
    kernel: str = Field("", description="release of its kernel; empty for one that dkms finishes on the machine")

    def content(self, tokens: Mapping[str, str]) -> bytes:
        """Give the bytes of the .ko file."""
        facts = {key: filled(value, tokens) for key, value in self.facts.items()}
        facts["description"] = "stand-in made by the amiforge sandbox, cannot be loaded"
        return kmod.module(facts, filled(self.kernel, tokens))


class Package(Strict):
    """A package in one of the mirror's repositories. Its texts, and its name, may hold the @TOKENS@ of a `Build`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9@+._-]*$")
    repository: Annotated[tuple[str, ...], BeforeValidator(_several)] = Field(
        min_length=1, description="repository of the mirror that carries it, or several of one kind"
    )
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

    @property
    def content(self) -> Package:
        """What is the same in all its repositories and versions."""
        return self.model_copy(update={"repository": (), "versions": (), "security": ""})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the machines find the mirror, and the armored public key that it is signed with."""

    address: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Build:
    """One version of a package: what becomes one rpm or deb.

    Attributes:
        package: the package, whatever its version.
        version: upstream version.
        release: release or Debian revision; empty for a native Debian package.
        origin: what packages know of the mirror they come from.
        format: which of the two it becomes.
    """

    package: Package
    version: str
    release: str
    origin: Origin
    format: Format = "rpm"

    @property
    def name(self) -> str:
        """Full name: `name-version-release.arch` as `rpm -q` prints it, or `name_version-revision_arch` of a deb."""
        if self.format == "rpm":
            return f"{self.package.name}-{self.full_version}.{self.package.arch}"
        return f"{self.package.name}_{self.full_version}_{self.deb_arch}"

    @property
    def full_version(self) -> str:
        """Version and release, without the epoch."""
        return f"{self.version}-{self.release}" if self.release else self.version

    @property
    def evr(self) -> str:
        """The version with its epoch, which an rpm always shows and a deb only where there is one."""
        hidden = self.format == "deb" and not self.package.epoch
        return self.full_version if hidden else f"{self.package.epoch}:{self.full_version}"

    @property
    def deb_arch(self) -> str:
        """Architecture as Debian calls it."""
        return {"x86_64": "amd64", "noarch": "all"}[self.package.arch]

    @property
    def newest(self) -> bool:
        """Whether this is the newest version of its package."""
        return self.full_version == self.package.versions[-1]

    @property
    def pocket(self) -> str:
        """Where a distribution's archive has it: what a release came with, its security updates, other updates."""
        if not self.newest or len(self.package.versions) == 1:
            return ""
        return "-security" if self.package.security else "-updates"

    def tokens(self) -> dict[str, str]:
        """Give what the @TOKENS@ in texts stand for."""
        kernel = f"{self.full_version}.{self.package.arch}"
        if self.format == "deb":
            # Ubuntu's kernel for EC2: 6.8.0-1024.26~22.04.1 calls itself 6.8.0-1024-aws
            kernel = f"{self.version}-{self.release.partition('.')[0]}-aws"
        return {
            "NAME": self.package.name,
            "VERSION": self.version,
            "RELEASE": self.release,
            "EVR": self.evr,
            "KERNEL": kernel,
            "MIRROR": self.origin.address,
            "KEY": self.origin.key,
            "VERMAGIC_OFFSET": str(kmod.VERMAGIC_OFFSET),
        }

    def fill(self, text: str) -> str:
        """Replace the @TOKENS@ of a text."""
        return filled(text, self.tokens())

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Give each file of the package: path on the machine and content; the notice comes first."""
        folder = f"{self.package.name}-{self.full_version}" if self.format == "rpm" else self.package.name
        yield f"/usr/share/doc/{folder}/STAND-IN", notice(self.name).encode()
        yield from contents(self.package.files, self.package.copies, self.package.modules, self.tokens())

    def links(self) -> Iterator[tuple[str, str]]:
        """Give each symbolic link of the package: path on the machine and target."""
        for path, target in self.package.links.items():
            yield self.fill(path), self.fill(target)


def filled(text: str, tokens: Mapping[str, str]) -> str:
    """Replace the @TOKENS@ of a text."""
    for token, value in tokens.items():
        text = text.replace(f"@{token}@", value)
    return text


def contents(
    files: Mapping[str, str], copies: Mapping[str, str], modules: tuple[Module, ...], tokens: Mapping[str, str]
) -> Iterator[tuple[str, bytes]]:
    """Give path and content of what stand-in data puts somewhere: texts, files of `standins/files`, modules.

    Raises:
        ConfigError: a file is not there.
    """
    for path, text in files.items():
        yield filled(path, tokens), filled(text, tokens).encode()
    for path, name in copies.items():
        yield filled(path, tokens), filled(source(name), tokens).encode()
    for module in modules:
        yield filled(module.path, tokens), module.content(tokens)


def source(name: str) -> str:
    """Read a file of `standins/files`.

    Raises:
        ConfigError: it is not there.
    """
    try:
        return (STANDINS / "files" / name).read_text()
    except FileNotFoundError:
        raise ConfigError(f"the sandbox's stand-ins name a file {name}, which is not in standins/files") from None


def notice(name: str) -> str:
    """Give the text that every stand-in carries."""
    return (
        f"This is a stand-in for {name}, made by the amiforge sandbox.\n"
        "It has the name, version and file layout of the vendor's package and none of its payload.\n"
    )
