"""Packages: installed, absent, newest or at an exact version, all in one transaction; and updates of everything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, cast

from pydantic import PlainValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.query import Answer, Query, QueryKind, Replies
from amiforge.engine.resource import Change, Resource, State, Value
from amiforge.errors import RecipeError
from amiforge.resources.strict import STRICT
from amiforge.systems.package_manager import PackageManager, PackageVersion, UpdateOptions, matches
from amiforge.systems.system import System

# What rpm and dpkg accept as names, and groups; never an option, a path, a pattern or a version in disguise.
_NAME = re.compile(r"@?[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+~^:-]{0,199}")
_PATTERN = re.compile(r"[A-Za-z0-9_*?\[][A-Za-z0-9_.+*?\[\]-]{0,199}")


def _versions(given: Any) -> tuple[PackageVersion, ...]:
    pairs = given.items() if isinstance(given, Mapping) else [given] if isinstance(given, str) else given
    packages = tuple(PackageVersion(pair) if isinstance(pair, str) else PackageVersion(*pair) for pair in pairs)
    for name, version in packages:
        if not _NAME.fullmatch(name):
            raise RecipeError(f"{name!r} is no name of a package", fix="give the version apart: {'jq': '1.7.1'}")
        if version and (name.startswith("@") or not _VERSION.fullmatch(version)):
            raise RecipeError(f"{version!r} is no version of {name}", fix="give version, or version-release")
    names = [package.name for package in packages]
    if not names or len(set(names)) < len(names):
        raise RecipeError(f"packages {', '.join(names)}: none, or one of them twice", fix="name each package once")
    return packages


def check_patterns(given: Any) -> tuple[str, ...]:
    """Give patterns of package names as a tuple.

    Raises:
        RecipeError: one of them is no such pattern.
    """
    patterns = (given,) if isinstance(given, str) else tuple(given)
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise RecipeError(f"{pattern!r} is no pattern of package names", fix="write it as kernel*")
    return patterns


Wanted = Sequence[str | PackageVersion] | Mapping[str, str]
Patterns = Annotated[tuple[str, ...], PlainValidator(check_patterns)]


@cache
def _installed(manager: PackageManager) -> QueryKind[tuple[str, ...]]:
    return QueryKind(
        "packages", manager.installed_query, lambda answer, names: manager.read_installed(answer.text, names)
    )


@cache
def _groups(manager: PackageManager) -> QueryKind[bool]:
    return QueryKind(
        "package groups", manager.groups_query, lambda answer, names: manager.read_groups(answer.text, names)
    )


@cache
def _outdated(manager: PackageManager) -> QueryKind[str]:
    def parse(answer: Answer, names: Sequence[str]) -> Mapping[str, str]:
        return manager.read_outdated(answer.status, answer.text, names)

    return QueryKind("newer packages", manager.outdated_query, parse, slow=True)


@cache
def _updates(manager: PackageManager) -> QueryKind[tuple[str, ...]]:
    return QueryKind(
        "updates", manager.updates_query, lambda answer, items: manager.read_updates(answer.text, items), slow=True
    )


def installed(name: str, system: System) -> Query[tuple[str, ...]]:
    """Give the question which versions of a package are installed."""
    return Query(_installed(system.os.packages), name)


@dataclass(frozen=True, config=STRICT)
class Packages(Resource):
    """Packages are installed, or absent.

    Packages(("jq", "git"))                                installed, at any version
    Packages({"nvidia-driver": "580.159.03", "dkms": ""})  at this version, going down to it if need be; any
    Packages(system.os.kernel.packages(system.kernel).build)
    Packages(("jq",), latest=True)                         at the newest version that the repositories have
    Packages(("@development",))                            a group
    Packages(("docker.io",), present=False)                absent

    Attributes:
        packages: names, or names with versions. A version may leave out epoch and release.
        present: installed; False for absent.
        latest: at the newest version, for packages without a version of their own. Holds stay in force.
        weak: installing brings recommended packages along.
    """

    packages: Annotated[Wanted, PlainValidator(_versions)]
    present: bool = True
    latest: bool = False
    weak: bool = True

    def __post_init__(self) -> None:
        versions = [package.name for package in self._all if package.version]
        if versions and (self.latest or not self.present):
            raise RecipeError(
                f"{self.name}: {versions[0]} has a version and is to be {'latest' if self.latest else 'absent'} too",
                fix="leave out the version, or state the package on its own",
            )

    @property
    def _all(self) -> tuple[PackageVersion, ...]:
        return cast("tuple[PackageVersion, ...]", self.packages)  # what its validator made of it

    @property
    def name(self) -> str:
        """`packages jq, git`."""
        return f"packages {', '.join(package.name for package in self._all)}"

    def queries(self, system: System) -> Iterator[Query[Any]]:
        """Ask for the installed versions, and for newer ones if that matters.

        Raises:
            RecipeError: there is a group, and the package manager knows no groups.
        """
        manager = system.os.packages
        for name, _ in self._all:
            if not name.startswith("@"):
                yield installed(name, system)
                if self.latest:
                    yield Query(_outdated(manager), name)
            elif manager.groups_query:
                yield Query(_groups(manager), name)
            else:
                raise RecipeError(f"{system.os.title} has no package groups like {name}", fix="name its packages")

    def desired(self, system: System) -> State:
        """Give `installed`, `absent`, `latest` or the version, a package."""
        state = "absent" if not self.present else "latest" if self.latest else "installed"
        return {name: version or state for name, version in self._all}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same; the installed versions where they are not the wanted one."""
        return {package.name: self._state(package, replies, system) for package in self._all}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Install, upgrade or remove everything that differs in one go."""
        manager = system.os.packages
        packages = [package for package in self._all if package.name in differing]
        names = [package.name for package in packages]
        if not self.present:
            verb, command = "remove", manager.remove(names)
        elif self.latest:
            verb, command = "upgrade", manager.upgrade(names)
        else:
            verb, command = "install", manager.install(packages, weak=self.weak)
        words = (" ".join(package).rstrip() for package in packages)
        yield Change(f"{verb} {', '.join(words)}", command, job=True, locks=manager.locks)

    def _state(self, package: PackageVersion, replies: Replies, system: System) -> Value:
        manager = system.os.packages
        if package.name.startswith("@"):
            return "installed" if replies[Query(_groups(manager), package.name)] else "absent"
        versions = replies[installed(package.name, system)]
        if not versions:
            return "absent"
        if package.version:
            exact = any(matches(version, package.version) for version in versions)
            return package.version if exact else ", ".join(versions)
        if self.latest:
            newer = replies[Query(_outdated(manager), package.name)]
            return f"{', '.join(versions)} (newer: {newer})" if newer else "latest"
        return "installed"


@dataclass(frozen=True, config=STRICT)
class Updates(Resource):
    """No update is pending for any package, as far as the host's package metadata goes.

    What is pending is asked of metadata that the package manager counts as fresh (a day for apt, two for dnf and yum
    unless configured otherwise); installing updates fetches it anew.

    Updates()                                      everything
    Updates(security=True, exclude=("kernel*",))   what mends vulnerabilities, save in the kernel

    Attributes:
        security: only security updates count.
        exclude: patterns of packages that stay as they are. Held packages stay too.
        release: release of the distribution to move to, where its repositories are fixed to one: `2023.9.20251110`,
            or `latest` (Amazon Linux 2023).
    """

    security: bool = False
    exclude: Patterns = ()
    release: str = ""

    def __post_init__(self) -> None:
        if self.release and not _VERSION.fullmatch(self.release):
            raise RecipeError(f"{self.release!r} is no release", fix="write it as 2023.9.20251110, or latest")

    @property
    def name(self) -> str:
        """`security updates`, `updates`, and what is left out."""
        kind = "security updates" if self.security else "updates"
        return f"{kind} except {', '.join(self.exclude)}" if self.exclude else kind

    @property
    def _options(self) -> UpdateOptions:
        return UpdateOptions(self.security, self.exclude, self.release)

    def _query(self, system: System) -> Query[tuple[str, ...]]:
        manager = system.os.packages
        return Query(_updates(manager), manager.updates_item(self._options))

    def queries(self, system: System) -> tuple[Query[tuple[str, ...]], ...]:
        """Ask what an update would bring."""
        return (self._query(system),)

    def desired(self, system: System) -> State:
        """Give that nothing is pending."""
        return {"pending": ()}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the pending updates, or why they are not known."""
        return {"pending": replies[self._query(system)]}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Update."""
        manager = system.os.packages
        yield Change(f"install {self.name}", manager.update(self._options), job=True, locks=manager.locks)
