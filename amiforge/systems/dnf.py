"""dnf, as on Amazon Linux 2023."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amiforge.shell import Command, argv, display, script
from amiforge.systems.package_manager import SEPARATOR, PackageVersion, UpdateOptions
from amiforge.systems.rpm import RPM_LOCKS, Rpm, holds_query, spec, update_options

# Without repositories a lock means what is installed, and nothing is fetched. Where the list of locks lies is the
# plugin's business: it moved between dnf 4 and 5.
_VERSIONLOCK = "dnf -q --disablerepo='*' versionlock"

# The packages may be held at another version by an earlier run; holds of all others stay.
_INSTALL_EXACT = rf"""
weak=$1 exact=$2; shift 2
{_VERSIONLOCK} delete $exact >/dev/null 2>&1
exec dnf -y --setopt="install_weak_deps=$weak" install -- "$@"
"""

_UPGRADE = r"""
dnf -y install -- "$@" && exec dnf -y upgrade -- "$@"
"""

# A lock on one version keeps dnf from adding another for the same pattern, so old ones go first.
_HOLD = rf"""
{_VERSIONLOCK} list >/dev/null 2>&1 || dnf -y install 'dnf-command(versionlock)' || exit
{_VERSIONLOCK} delete "$@" >/dev/null
exec {_VERSIONLOCK} add "$@"
"""

# Asking is said yes to: the key of a repository with a signed index is taken over again when the cache was cleaned.
#
# Repositories are those of a release, and which one the release package says. No advisory names that package, so
# security updates alone would leave it behind, and what is installed later would come from the older release.
_UPDATES_QUERY = rf"""
set -f
IFS='
'
for options do
  release=
  case $options in --security*) for option in $options; do
    case $option in --releasever=*) release=$option ;; esac
  done ;; esac
  printed=$(dnf -qy check-update $options 2>&1)
  status=$?
  if [ -n "$release" ]; then
    case $status in 0|100)
      listed=$(dnf -qy check-update "$release" -- system-release 2>&1)
      case $? in
      0) ;;
      100) status=100 printed="$listed
$printed" ;;
      *) status=1 printed=$listed ;;
      esac ;;
    esac
  fi
  printf '%s\n{SEPARATOR}%s\n' "$printed" "$status"
done
"""

_UPDATE_WITHIN = r"""
release=$1; shift
dnf -y --refresh "--releasever=$release" upgrade -- system-release && exec dnf -y "$@" upgrade
"""

_UNHOLD = f'exec {_VERSIONLOCK} delete "$@"\n'


@dataclass(frozen=True, slots=True)
class Dnf(Rpm):
    """The dnf command line."""

    name: str = "dnf"
    locks: tuple[str, ...] = (
        *RPM_LOCKS,
        "/var/lib/dnf/rpmdb_lock.pid",
        "/var/cache/dnf/metadata_lock.pid",
        "/var/cache/dnf/download_lock.pid",
    )
    groups_query: str = "dnf -q group list hidden installed ids\n"
    outdated_query: str = 'dnf -qy check-update -- "$@" 2>&1\n'
    updates_query: str = _UPDATES_QUERY
    holds_query: str = holds_query(f"{_VERSIONLOCK} list")
    finish: str = "dnf -y remove --duplicates"

    def install(self, packages: Sequence[PackageVersion], *, weak: bool = True) -> Command:
        """Install; dnf takes an exact version for a downgrade too."""
        specs = [spec(package) for package in packages]
        exact = " ".join(package.name for package in packages if package.version)
        summary = display(("dnf", "-y", "install", *specs))
        if exact:
            return script(_INSTALL_EXACT, str(weak), exact, *specs, summary=summary)
        return argv("dnf", "-y", f"--setopt=install_weak_deps={weak}", "install", "--", *specs, summary=summary)

    def upgrade(self, names: Sequence[str]) -> Command:
        """Install what is missing, upgrade what is there."""
        return script(_UPGRADE, *names, summary=display(("dnf", "-y", "upgrade", *names)))

    def remove(self, names: Sequence[str]) -> Command:
        """Remove; dependencies that nothing else needs stay, since nobody named them."""
        return argv("dnf", "-y", "--setopt=clean_requirements_on_remove=False", "remove", "--", *names)

    def update(self, options: UpdateOptions) -> Command:
        """Update; security updates of another release bring the package that says which release this is."""
        words = update_options(options)
        plain = argv("dnf", "-y", "--refresh", *words, "upgrade")
        if not (options.security and options.release):
            return plain
        return script(_UPDATE_WITHIN, options.release, *words, summary=str(plain))

    def hold(self, patterns: Sequence[str]) -> Command:
        """Lock, with the versionlock plugin, which is installed if it is missing."""
        return script(_HOLD, *patterns, summary=display(("dnf", "versionlock", "add", *patterns)))

    def unhold(self, patterns: Sequence[str]) -> Command:
        """Delete locks."""
        return script(_UNHOLD, *patterns, summary=display(("dnf", "versionlock", "delete", *patterns)))

    def refresh(self, repository: str) -> Command:
        """Fetch its metadata."""
        return argv("dnf", "-y", "--refresh", f"--repo={repository}", "makecache")
