"""yum 3, as on Amazon Linux 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amiforge.shell import Command, argv, display, script
from amiforge.systems.package_manager import PackageVersion, UpdateOptions
from amiforge.systems.rpm import RPM_LOCKS, Rpm, holds_query, spec, update_options, updates_query

# yum does not go down to an older version unless it is told so, and then takes no other packages.
_INSTALL_EXACT = r"""
exact=$1 versions=$2; shift 2
yum -q versionlock delete $exact >/dev/null 2>&1
yum -y install -- "$@" || exit
set --
for spec in $versions; do rpm -q -- "$spec" >/dev/null || set -- "$@" "$spec"; done
[ $# -eq 0 ] || exec yum -y downgrade -- "$@"
"""

_UPGRADE = r"""
yum -y install -- "$@" && exec yum -y update -- "$@"
"""

_HOLD = r"""
rpm -q yum-plugin-versionlock >/dev/null || yum -y install yum-plugin-versionlock || exit
yum -q versionlock delete "$@" >/dev/null 2>&1
exec yum -q versionlock add "$@"
"""


@dataclass(frozen=True, slots=True)
class Yum(Rpm):
    """The yum command line."""

    name: str = "yum"
    locks: tuple[str, ...] = (*RPM_LOCKS, "/var/run/yum.pid")
    groups_query: str = "yum -q groups list hidden installed ids\n"
    outdated_query: str = 'yum -qy check-update -- "$@" 2>&1\n'
    updates_query: str = updates_query("yum")
    holds_query: str = holds_query("yum -q --disablerepo='*' versionlock list")
    finish: str = "yum -y install yum-utils && yum-complete-transaction -y && package-cleanup -y --cleandupes"

    def install(self, packages: Sequence[PackageVersion], *, weak: bool = True) -> Command:
        """Install; rpm of this age knows no weak dependencies."""
        specs = [spec(package) for package in packages]
        exact = [package for package in packages if package.version]
        if not exact:
            return argv("yum", "-y", "install", "--", *specs)
        names, versions = " ".join(package.name for package in exact), " ".join(spec(package) for package in exact)
        return script(_INSTALL_EXACT, names, versions, *specs, summary=display(("yum", "-y", "install", *specs)))

    def upgrade(self, names: Sequence[str]) -> Command:
        """Install what is missing, update what is there."""
        return script(_UPGRADE, *names, summary=display(("yum", "-y", "update", *names)))

    def remove(self, names: Sequence[str]) -> Command:
        """Remove; dependencies that nothing else needs stay, since nobody named them."""
        return argv("yum", "-y", "--setopt=clean_requirements_on_remove=0", "remove", "--", *names)

    def update(self, options: UpdateOptions) -> Command:
        """Update."""
        return argv("yum", "-y", *update_options(options), "update")

    def hold(self, patterns: Sequence[str]) -> Command:
        """Lock, with the versionlock plugin, which is installed if it is missing."""
        return script(_HOLD, *patterns, summary=display(("yum", "versionlock", "add", *patterns)))

    def unhold(self, patterns: Sequence[str]) -> Command:
        """Delete locks."""
        return argv("yum", "-q", "versionlock", "delete", *patterns)

    def refresh(self, repository: str) -> Command:
        """Fetch its metadata."""
        return argv("yum", "-y", "--disablerepo=*", f"--enablerepo={repository}", "makecache", "fast")
