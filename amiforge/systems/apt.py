"""apt and dpkg, as on Ubuntu."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from amiforge.errors import FactUnreadable, RecipeError
from amiforge.shell import Command, display, script
from amiforge.systems import apt_script
from amiforge.systems.package_manager import (
    NOT_KNOWN,
    Holds,
    PackageVersion,
    RepositoryOptions,
    UpdateOptions,
    last_line,
    parts,
)

#: Priorities of apt_preferences(5). 500 is what apt gives by itself; the highest one wins whatever the versions are.
_USUAL, _PREFERRED, _NEVER = 500, 600, -1

_NO_CANDIDATE = f"{NOT_KNOWN}no repository has it"
_NOT_FOUND = "dpkg-query: no packages found matching "
_FIELD_COUNT = 3
_POLICY = re.compile(r"^(\S+):\n +Installed: (\S+)\n +Candidate: (\S+)$", re.MULTILINE)
_PENDING_ROW = re.compile(r"[a-z0-9][a-z0-9+.:-]* [0-9][^\s()]*\)?")


@dataclass(frozen=True, slots=True)
class Apt:
    """The apt-get and dpkg command lines."""

    name: str = "apt"
    locks: tuple[str, ...] = (
        "/var/lib/dpkg/lock-frontend",
        "/var/lib/dpkg/lock",
        "/var/lib/apt/lists/lock",
        "/var/cache/apt/archives/lock",
    )
    installed_query: str = "dpkg-query -W -f='${db:Status-Abbrev}\\t${Package}\\t${Version}\\n' -- \"$@\" 2>&1\n:\n"
    groups_query: str = ""
    outdated_query: str = apt_script.OUTDATED_QUERY
    updates_query: str = apt_script.UPDATES_QUERY
    holds_query: str = apt_script.HOLDS_QUERY

    def read_installed(self, printed: str, names: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Read dpkg-query's answer; a package that is only half configured is not installed."""
        found: dict[str, list[str]] = {}
        for line in printed.splitlines():
            if line.startswith(_NOT_FOUND):
                found.setdefault(line.removeprefix(_NOT_FOUND), [])
                continue
            state, name, version = _row(line)
            found.setdefault(name, []).extend([version] if state[1:] == "i" else [])
        unheard = [name for name in names if name not in found]
        if unheard:
            raise FactUnreadable(f"dpkg says nothing of {', '.join(unheard)}", stdout=printed[-500:])
        return {name: tuple(found[name]) for name in names}

    def read_groups(self, printed: str, names: Sequence[str]) -> Mapping[str, bool]:
        """Refuse: apt has no groups.

        Raises:
            RecipeError: always.
        """
        raise RecipeError(f"apt has no package groups like {', '.join(names)}", fix="name the packages themselves")

    def read_outdated(self, status: int, printed: str, names: Sequence[str]) -> Mapping[str, str]:
        """Read `apt-cache policy`."""
        if status != 0:
            return dict.fromkeys(names, f"{NOT_KNOWN}{last_line(printed)}")
        policies = {name: (installed, candidate) for name, installed, candidate in _POLICY.findall(printed)}
        return {name: _newer(*policies[name]) if name in policies else _NO_CANDIDATE for name in names}

    def updates_item(self, options: UpdateOptions) -> str:
        """Give `security` and `exclude=PATTERN`, one a line.

        Raises:
            RecipeError: a release of the distribution is asked for.
        """
        if options.release:
            raise RecipeError("apt's repositories are not fixed to a release", fix="leave release empty")
        return "\n".join(_words(options))

    def read_updates(self, printed: str, items: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Read what would be upgraded for each item."""
        return {
            item: _pending(text) if status == 0 else (f"{NOT_KNOWN}{last_line(text)}",)
            for item, (text, status) in zip(items, parts(printed, items), strict=True)
        }

    def read_holds(self, printed: str, patterns: Sequence[str]) -> Mapping[str, Holds]:
        """Read dpkg's selections."""
        rows = [_row(line) for line in printed.splitlines()]
        installed = [(state, name.partition(":")[0], version) for state, name, version in rows if state[1:] == "i"]
        return {pattern: _holds(pattern, installed) for pattern in patterns}

    def install(self, packages: Sequence[PackageVersion], *, weak: bool = True) -> Command:
        """Install, with lists no older than a day."""
        specs = [f"{name}={version}" if version else name for name, version in packages]
        exact = " ".join(package.name for package in packages if package.version)
        return script(
            apt_script.INSTALL, str(weak).lower(), exact, *specs, summary=display(("apt-get", "-y", "install", *specs))
        )

    def upgrade(self, names: Sequence[str]) -> Command:
        """Install what is missing, upgrade what is there."""
        return script(apt_script.UPGRADE, *names, summary=display(("apt-get", "-y", "install", *names)))

    def remove(self, names: Sequence[str]) -> Command:
        """Remove, held ones too; configuration files and dependencies that nothing else needs stay."""
        return script(apt_script.REMOVE, *names, summary=display(("apt-get", "-y", "remove", *names)))

    def update(self, options: UpdateOptions) -> Command:
        """Upgrade everything, or what the options leave of it."""
        words = _words(options)
        return script(apt_script.UPDATE, *words, summary=" ".join(("apt-get -y dist-upgrade", *words)))

    def hold(self, patterns: Sequence[str]) -> Command:
        """Mark as held."""
        return script(apt_script.MARK, "hold", *patterns, summary=display(("apt-mark", "hold", *patterns)))

    def unhold(self, patterns: Sequence[str]) -> Command:
        """Mark as not held."""
        return script(apt_script.MARK, "unhold", *patterns, summary=display(("apt-mark", "unhold", *patterns)))

    def refresh(self, repository: str) -> Command:
        """Fetch all package lists: apt forgets those that it does not fetch."""
        return script(f"{apt_script.LISTS}refresh\n", summary="apt-get update")

    def key_path(self, repository: str) -> str:
        """Give the path of an armored key; apt tells the format by the ending."""
        return f"/etc/apt/keyrings/{repository}.asc"

    def repository_path(self, repository: str) -> str:
        """Give the deb822 file's path."""
        return f"/etc/apt/sources.list.d/{repository}.sources"

    def repository_text(self, repository: RepositoryOptions) -> str:
        """Give the deb822 file; only this key may sign."""
        lines = {
            "Types": "deb",
            "URIs": repository.url,
            "Suites": repository.suites,
            **({"Components": repository.components} if repository.components else {}),
            **dict(repository.settings),
            "Signed-By": self.key_path(repository.id),
        }
        return "".join(f"{key}: {value}\n" for key, value in lines.items())

    def preferences_path(self, repository: str) -> str:
        """Give a file of apt_preferences(5)."""
        return f"/etc/apt/preferences.d/{repository}.pref"

    def preferences_text(self, repository: RepositoryOptions) -> str:
        """Give the priorities of a repository's packages, told by its Release file: its host may be a mirror of many.

        Raises:
            RecipeError: there is something to say, and it is not known how the Release file names the repository.
        """
        if not repository.only and not repository.preferred:
            return ""
        if not repository.release:
            raise RecipeError(
                f"apt cannot tell the packages of repository {repository.id} from others",
                fix='give release="o=ORIGIN" or release="l=LABEL", as its Release file says',
            )
        named = _pin(
            " ".join(repository.only) or "*", repository.release, _PREFERRED if repository.preferred else _USUAL
        )
        return f"{named}\n{_pin('*', repository.release, _NEVER)}" if repository.only else named


def _pin(packages: str, release: str, priority: int) -> str:
    return f"Package: {packages}\nPin: release {release}\nPin-Priority: {priority}\n"


def _row(line: str) -> list[str]:
    fields = line.split("\t")
    if len(fields) != _FIELD_COUNT or len(fields[0]) != _FIELD_COUNT:
        raise FactUnreadable(f"dpkg says {line!r}")
    return [fields[0].strip(), *fields[1:]]


def _newer(installed: str, candidate: str) -> str:
    return "" if candidate in {installed, "(none)"} else candidate


def _words(options: UpdateOptions) -> tuple[str, ...]:
    return (*(("security",) if options.security else ()), *(f"exclude={pattern}" for pattern in options.exclude))


def _pending(printed: str) -> tuple[str, ...]:
    rows = tuple(printed.splitlines())
    for row in rows:
        if not _PENDING_ROW.fullmatch(row):
            raise FactUnreadable(f"apt's simulation says {row!r}")
    return tuple(row.rstrip(")") for row in rows)


def _holds(pattern: str, installed: Sequence[tuple[str, str, str]]) -> Holds:
    found = [(state[0] == "h", f"{name}={version}") for state, name, version in installed if fnmatchcase(name, pattern)]
    return Holds(
        tuple(sorted(label for held, label in found if held)), tuple(sorted(label for held, label in found if not held))
    )
