"""Packages that a product of one version may not have beside it: of other versions, or of another kind altogether."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amiforge.resources import Run
from amiforge.shell import Command, script

if TYPE_CHECKING:
    from amiforge.systems.system import System

# Prints `name version` of the installed packages that match the patterns.
_RPM_INSTALLED = r"""
installed() { rpm -qa --qf '%{NAME} %{VERSION}\n' -- "$@"; }
"""
_DEB_INSTALLED = r"""
installed() {
  dpkg-query -W -f='${db:Status-Abbrev} ${Package} ${Version}\n' -- "$@" 2>/dev/null |
  while read -r state name version; do
    case $state in ?[!nc]*) version=${version#*:} && printf '%s %s\n' "$name" "${version%%-*}" ;; esac
  done
}
"""

# Arguments: version, patterns of what must have it, patterns of what must not be there at all.
_STRAYS = r"""
set -f
version=$1 same=$2 never=$3
strays() {
  { [ -z "$never" ] || installed $never
    [ -z "$same" ] || installed $same | while read -r name found; do
      [ "$found" = "$version" ] || printf '%s %s\n' "$name" "$found"
    done
  } | sort -u
}
"""

# Removes packages and what depends on them. A lock on what stays would keep a new version away, so locks go first; a
# configuration file of apt's would outlive its package if that were not purged.
_REMOVE = {
    "dnf": r"""
unlock() { dnf -q --disablerepo='*' versionlock delete "$@" >/dev/null 2>&1 || :; }
remove() { dnf -y --setopt=clean_requirements_on_remove=False remove -- "$@"; }
""",
    "yum": r"""
unlock() { yum -q versionlock delete "$@" >/dev/null 2>&1 || :; }
remove() { yum -y --setopt=clean_requirements_on_remove=0 remove -- "$@"; }
""",
    "apt": r"""
unlock() {
  set -- $(installed "$@" | while read -r name _; do printf '%s\n' "$name"; done)
  [ $# -eq 0 ] || apt-mark unhold -- "$@" >/dev/null
}
remove() { apt-get -y -o DPkg::Lock::Timeout=600 purge -- "$@"; }
""",
}

_NO_STRAYS = """
[ -z "$(strays)" ]
"""

#: Removes the stray packages; stands after the text of `functions`.
CLEAR = r"""
names=$(strays | while read -r name _; do printf '%s\n' "$name"; done)
[ -z "$names" ] || { unlock $same $never && remove $names; } || exit
"""


def functions(system: System) -> str:
    """Give sh text with `strays`, which prints name and version of stray packages, and what `CLEAR` needs.

    Its arguments are a version, patterns of what must have it, and patterns of what must not be there at all.
    """
    manager = system.os.packages.name
    return (_DEB_INSTALLED if manager == "apt" else _RPM_INSTALLED) + _STRAYS + _REMOVE[manager]


def stray_packages(system: System, *args: str) -> Command:
    """Give the command that prints stray packages."""
    return script(functions(system) + "strays\n", *args)


def no_strays(what: str, system: System, *args: str) -> Run:
    """Give the wish that there are no stray packages."""
    return Run(
        what,
        script(functions(system) + CLEAR, *args, summary=what),
        proof=script(functions(system) + _NO_STRAYS, *args),
        locks=system.os.packages.locks,
    )
