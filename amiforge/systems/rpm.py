"""What dnf and yum share: the rpm database, version locks, repository files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from amiforge.errors import FactUnreadable
from amiforge.systems.package_manager import (
    NOT_KNOWN,
    SEPARATOR,
    Holds,
    PackageVersion,
    RepositoryOptions,
    UpdateOptions,
    last_line,
    parts,
)

# Amazon Linux 2 and 2023 keep the database in the first place, newer distributions in the second.
RPM_LOCKS = ("/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock")

_FIELDS = r"%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\n"

# The exit status counts the packages that are missing; what they are is printed.
INSTALLED = f"rpm -q --qf '{_FIELDS}' -- " + '"$@" 2>&1; :\n'

_NOT_INSTALLED = re.compile(r"package (\S+) is not installed")
_FIELD_COUNT = 5

# A long name puts the rest of its row on the next line.
_UPDATE = re.compile(
    r"^(?P<name>[^\s.]\S*)\.(?:noarch|x86_64|aarch64|i[3-6]86)\s+(?P<version>\S*[0-9]\S*)\s+\S+[ \t]*$", re.MULTILINE
)
_UPDATES_AVAILABLE = 100

#: What is installed beside its older versions on purpose: kernels, modules for them, and signing keys.
_MANY_VERSIONS = ("kernel", "kmod-", "gpg-pubkey")

#: Amazon Linux gives its own repositories priority 10; those that say nothing have 99.
_FIRST = "1"

_GROUP = re.compile(r"\(([^()\s]+)\)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rpm:
    """What dnf and yum have in common; each fills in its own texts and orders."""

    name: str
    locks: tuple[str, ...]
    groups_query: str
    outdated_query: str
    updates_query: str
    holds_query: str
    finish: str
    installed_query: str = INSTALLED

    def read_installed(self, printed: str, names: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Read what `INSTALLED` printed."""
        found: dict[str, list[str]] = {name: [] for name in names}
        missing: set[str] = set()
        for line in printed.splitlines():
            if absent := _NOT_INSTALLED.fullmatch(line):
                missing.add(absent[1])
            elif line.count("\t") == _FIELD_COUNT - 1:
                name, epoch, version, release, _ = line.split("\t")
                found.setdefault(name, []).append(_version(epoch, version, release))
            elif not line.startswith("warning:"):
                raise FactUnreadable(f"rpm says {line!r}", fix="rpm --rebuilddb mends a damaged database")
        unheard = [name for name in names if not found[name] and name not in missing]
        if unheard:
            raise FactUnreadable(f"rpm says nothing of {', '.join(unheard)}", stdout=printed[-500:])
        for name in names:
            self._refuse_twins(name, found[name])
        return {name: tuple(found[name]) for name in names}

    def _refuse_twins(self, name: str, versions: Sequence[str]) -> None:
        """Refuse a package that a transaction has left in two versions when it was cut off.

        Raises:
            FactUnreadable: it is one; says how to finish.
        """
        if len(set(versions)) > 1 and not name.startswith(_MANY_VERSIONS):
            raise FactUnreadable(
                f"{name} is installed twice, as {' and '.join(sorted(set(versions)))}: a transaction was cut off",
                fix=f"run `{self.finish}` on the host, then apply again",
            )

    def read_outdated(self, status: int, printed: str, names: Sequence[str]) -> Mapping[str, str]:
        """Read what `check-update` printed about these names."""
        if status not in {0, _UPDATES_AVAILABLE}:
            return dict.fromkeys(names, f"{NOT_KNOWN}{last_line(printed)}")
        newer = dict(_updates(status, printed))
        return {name: newer.get(name, "") for name in names}

    def read_groups(self, printed: str, names: Sequence[str]) -> Mapping[str, bool]:
        """Read a list of installed groups with their ids in brackets."""
        installed = set(_GROUP.findall(printed))
        return {name: name.removeprefix("@") in installed for name in names}

    def updates_item(self, options: UpdateOptions) -> str:
        """Give the options that narrow an update, one a line."""
        return "\n".join(update_options(options))

    def read_updates(self, printed: str, items: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Read what `check-update` printed for each item."""
        return {
            item: tuple(f"{name} {version}" for name, version in _updates(status, text))
            if status in {0, _UPDATES_AVAILABLE}
            else (f"{NOT_KNOWN}{last_line(text)}",)
            for item, (text, status) in zip(items, parts(printed, items), strict=True)
        }

    def read_holds(self, printed: str, patterns: Sequence[str]) -> Mapping[str, Holds]:
        """Read what `holds_query` printed."""
        listed, separator, packages = printed.partition(f"\n{SEPARATOR}0\n")
        rows = [line.split("\t") for line in packages.splitlines()]
        if not separator or any(len(row) != _FIELD_COUNT for row in rows):
            raise FactUnreadable("the list of version locks is incomplete", stdout=printed[-500:])
        locks = tuple(line.strip() for line in listed.splitlines() if line.strip())
        return {pattern: _holds(pattern, rows, locks) for pattern in patterns}

    def key_path(self, repository: str) -> str:
        """Give where rpm distributions keep signing keys; the key is imported from there on first use."""
        return f"/etc/pki/rpm-gpg/RPM-GPG-KEY-{repository}"

    def repository_path(self, repository: str) -> str:
        """Give the repository's file."""
        return f"/etc/yum.repos.d/{repository}.repo"

    def repository_text(self, repository: RepositoryOptions) -> str:
        """Give the repository's file; `gpgcheck` cannot be turned off."""
        lines = {
            "name": repository.id,
            "mirrorlist" if repository.mirror_list else "baseurl": repository.url,
            "enabled": "1",
            **dict(repository.settings),
            **({"includepkgs": " ".join(repository.only)} if repository.only else {}),
            **({"priority": _FIRST} if repository.preferred else {}),
            **({"repo_gpgcheck": "1"} if repository.signed_index else {}),
            "gpgcheck": "1",
            "gpgkey": f"file://{self.key_path(repository.id)}",
        }
        return f"[{repository.id}]\n" + "".join(f"{key}={value}\n" for key, value in lines.items())

    def preferences_path(self, repository: str) -> str:
        """Give nothing: the repository's file says it."""
        return ""

    def preferences_text(self, repository: RepositoryOptions) -> str:
        """Give nothing, likewise."""
        return ""


def updates_query(program: str) -> str:
    """Give the text that asks for each item's updates; an item is options, one a line."""
    return (
        "set -f\nIFS='\n'\n"
        "for options do\n"
        f"  printed=$({program} -qy check-update $options 2>&1)\n"
        f'  printf \'%s\\n{SEPARATOR}%s\\n\' "$printed" "$?"\n'
        "done\n"
    )


def holds_query(list_locks: str) -> str:
    """Give the text that prints all version locks, then the installed packages that match the patterns."""
    return f"{list_locks} 2>/dev/null\nprintf '\\n{SEPARATOR}0\\n'\nrpm -qa --qf '{_FIELDS}' -- \"$@\"\n"


def update_options(options: UpdateOptions) -> tuple[str, ...]:
    """Give the options by which dnf and yum narrow an update."""
    security = ("--security",) if options.security else ()
    release = (f"--releasever={options.release}",) if options.release else ()
    return (*security, *release, *(f"--exclude={pattern}" for pattern in options.exclude))


def spec(package: PackageVersion) -> str:
    """Give what dnf and yum take as one argument: `jq`, `jq-1.7.1`, `@development`."""
    return f"{package.name}-{package.version}" if package.version else package.name


def _version(epoch: str, version: str, release: str) -> str:
    return f"{version}-{release}" if epoch == "0" else f"{epoch}:{version}-{release}"


def _updates(status: int, printed: str) -> list[tuple[str, str]]:
    if status == 0:
        return []
    rows = printed.partition("\nObsoleting Packages")[0]
    found = [(row["name"], row["version"]) for row in _UPDATE.finditer(rows)]
    if not found:
        raise FactUnreadable("updates are said to be available, but none is named", stdout=printed[-500:])
    return found


def _holds(pattern: str, rows: list[list[str]], locks: tuple[str, ...]) -> Holds:
    held: list[str] = []
    free: list[str] = []
    for name, epoch, version, release, arch in rows:
        if fnmatchcase(name, pattern):
            # dnf writes the epoch before the version, yum before the name, people leave it out.
            labels = (
                f"{name}-{epoch}:{version}-{release}.{arch}",
                f"{epoch}:{name}-{version}-{release}.{arch}",
                f"{name}-{version}-{release}.{arch}",
            )
            locked = any(fnmatchcase(label, lock) for label in labels for lock in locks)
            (held if locked else free).append(f"{name}-{_version(epoch, version, release)}")
    return Holds(tuple(sorted(held)), tuple(sorted(free)))
