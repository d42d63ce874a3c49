"""What a package manager can be asked and told, in the same words for all of them.

A question is constant sh text that sees its items as `"$@"` and writes nothing to the host's state (a package manager
may refresh its own cache of metadata), and a function that reads what was printed into one value an item. Orders are
commands. Whoever asks and gives orders is above: nothing here knows of hosts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from amiforge.errors import FactUnreadable
from amiforge.shell import Command

#: Separates the parts of an answer, the ASCII record separator: no program here prints it.
SEPARATOR = "\x1e"


class PackageVersion(NamedTuple):
    """A package, or a group as `@development`, and the exact version it should have; empty for any."""

    name: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """Which updates count.

    Attributes:
        security: only those that mend a vulnerability.
        exclude: shell patterns of package names to leave alone.
        release: version of the distribution to update to, where its repositories are fixed to one; `latest` moves on.
    """

    security: bool = False
    exclude: tuple[str, ...] = ()
    release: str = ""


class PackageManager(Protocol):
    """A package manager: questions, how their answers read, and orders.

    Every reader raises `FactUnreadable` when what was printed makes no sense.
    """

    def __hash__(self) -> int:
        """Package managers are values: equal ones ask the same questions."""

    @property
    def name(self) -> str:
        """Its program: `dnf`, `yum`, `apt`."""

    @property
    def locks(self) -> tuple[str, ...]:
        """Lock and pid files that are free when a transaction can start."""

    @property
    def installed_query(self) -> str:
        """Text that prints the installed versions of the named packages, all in one run of the package database."""

    def read_installed(self, printed: str, names: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Give the installed versions of each name, `[epoch:]version-release`; none where it is not installed."""

    @property
    def groups_query(self) -> str:
        """Text that prints the installed groups; empty where there are no groups."""

    def read_groups(self, printed: str, names: Sequence[str]) -> Mapping[str, bool]:
        """Tell of each group, `@development`, whether it is installed."""

    @property
    def outdated_query(self) -> str:
        """Text that prints which of the named packages have a newer version in the repositories."""

    def read_outdated(self, status: int, printed: str, names: Sequence[str]) -> Mapping[str, str]:
        """Give the newer version of each name: empty for none, `NOT_KNOWN` and the reason where it cannot be told."""

    def updates_item(self, options: UpdateOptions) -> str:
        """Give the item of `updates_query` that asks for these updates."""

    @property
    def updates_query(self) -> str:
        """Text that prints the updates that each item asks for."""

    def read_updates(self, printed: str, items: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Give `name version` of every update an item asks for; `NOT_KNOWN` and the reason where it cannot be told."""

    @property
    def holds_query(self) -> str:
        """Text that prints which installed packages match the patterns, and which of them are held."""

    def read_holds(self, printed: str, patterns: Sequence[str]) -> Mapping[str, Holds]:
        """Give the installed packages that match each pattern, held or not."""

    def install(self, packages: Sequence[PackageVersion], *, weak: bool = True) -> Command:
        """Install in one transaction, exact versions also when that is a downgrade; `weak` brings recommended ones."""

    def upgrade(self, names: Sequence[str]) -> Command:
        """Install the newest version of each, whether or not it is there already."""

    def remove(self, names: Sequence[str]) -> Command:
        """Remove in one transaction, and what depends on them, and nothing else."""

    def update(self, options: UpdateOptions) -> Command:
        """Bring the updates, with fresh metadata."""

    def hold(self, patterns: Sequence[str]) -> Command:
        """Keep the installed packages that match at the versions they have now."""

    def unhold(self, patterns: Sequence[str]) -> Command:
        """Let the packages that match move again."""

    def refresh(self, repository: str) -> Command:
        """Fetch the metadata of a repository; of the others too, where one alone cannot be fetched."""

    def key_path(self, repository: str) -> str:
        """Give where the signing key of a repository lies."""

    def repository_path(self, repository: str) -> str:
        """Give where the description of a repository lies."""

    def repository_text(self, repository: RepositoryOptions) -> str:
        """Give the description of a repository; signatures are always checked."""

    def preferences_path(self, repository: str) -> str:
        """Give where it lies which packages come from a repository; empty where its description says that too."""

    def preferences_text(self, repository: RepositoryOptions) -> str:
        """Give which packages come from a repository; empty when there is nothing to say."""


@dataclass(frozen=True, slots=True)
class Holds:
    """Installed packages that match a pattern."""

    held: tuple[str, ...] = ()
    free: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RepositoryOptions:
    """A package repository: its id, its address, and what only one package format knows.

    Attributes:
        id: names its files; letters, digits, `-` and `_`.
        url: where it is.
        suites: deb only: `noble`, or `/` for a flat repository; `components` and `architectures` likewise.
        settings: further lines, as `(("metadata_expire", "0"),)`.
        only: names or shell patterns of the packages that may come from it; empty for all.
        preferred: a package of another repository does not count where this one has it too.
        release: deb only: how its Release file names it, `o=Docker` or `l=NVIDIA CUDA`.
        mirror_list: rpm only: the address is that of a list of mirrors.
        signed_index: rpm only: the index is signed as well as the packages that it names.
    """

    id: str
    url: str
    suites: str = "/"
    components: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    only: tuple[str, ...] = ()
    preferred: bool = False
    release: str = ""
    mirror_list: bool = False
    signed_index: bool = False


#: Starts a value that says why an answer could not be had.
NOT_KNOWN = "not known: "


def matches(installed: str, wanted: str) -> bool:
    """Tell whether an installed version is the wanted one: `580.159.03` is `3:580.159.03-1.amzn2023`.

    What is wanted may leave out the epoch, and the release; it may not stop within a version or a release.
    """
    if ":" not in wanted:
        installed = installed.rpartition(":")[2]
    return installed == wanted or installed.startswith(f"{wanted}-")


def parts(printed: str, items: Sequence[str]) -> list[tuple[str, int]]:
    """Split an answer into what was printed for each item, and the exit status that follows it after `SEPARATOR`.

    Raises:
        FactUnreadable: there are more or fewer parts than items.
    """
    pieces = re.split(rf"\n{SEPARATOR}([0-9]{{1,3}})\n", printed)
    if len(pieces) != 2 * len(items) + 1 or pieces[-1]:
        raise FactUnreadable("the package manager's answer is incomplete", stdout=printed[-500:])
    return [(text, int(status)) for text, status in zip(pieces[0::2], pieces[1::2], strict=False)]


def last_line(printed: str) -> str:
    """Give the last line that says something."""
    return next((line.strip() for line in reversed(printed.splitlines()) if line.strip()), "nothing was printed")
