"""What apt-get and dpkg are asked and told, as sh text."""

from __future__ import annotations

from amiforge.systems.package_manager import SEPARATOR

# apt's lists never go stale by themselves, and a cleaned image has none. A refresh that finds nothing new leaves no
# trace of its own, so it touches the directory.
LISTS = r"""
fresh() {
  [ -n "$(find /var/lib/apt/lists -maxdepth 0 -mmin -1440 2>/dev/null)" ] &&
    ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1
}
refresh() {
  apt-get -o APT::Update::Error-Mode=any update && touch /var/lib/apt/lists
}
"""

# Files that somebody edited stay as they are. A transaction that was killed is finished first; what then is still
# broken, apt complains about itself.
TRANSACTION = r"""
export NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none
apt() {
  apt-get -y -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}
dpkg --force-confdef --force-confold --configure -a || :
"""

# The version that apt wants is the whole one, epoch and revision included; the newest one that fits is taken.
INSTALL = rf"""
{LISTS}{TRANSACTION}
weak=$1 exact=$2; shift 2
fresh || refresh || exit
[ -z "$exact" ] || apt-mark unhold $exact >/dev/null || exit
for wanted do
  shift
  case $wanted in *=*)
    name=${{wanted%%=*}} version=${{wanted#*=}} found=
    while read -r _ _ candidate _; do
      case $candidate in "$version"|"$version"-*|*:"$version"|*:"$version"-*) found=$candidate; break ;; esac
    done <<END
$(apt-cache madison -- "$name")
END
    [ -n "$found" ] || {{ printf 'no repository has version %s of %s\n' "$version" "$name" >&2; exit 100; }}
    wanted=$name=$found ;;
  esac
  set -- "$@" "$wanted"
done
apt -o "APT::Install-Recommends=$weak" ${{exact:+--allow-downgrades}} install -- "$@"
"""

UPGRADE = rf"""
{LISTS}{TRANSACTION}
refresh && apt install -- "$@"
"""

REMOVE = rf"""
{TRANSACTION}
apt --allow-change-held-packages remove -- "$@"
"""

# With options only packages that are there count: what an upgrade would newly bring comes along with it.
PENDING = r"""
pending() {
  simulated=$(apt-get -s dist-upgrade 2>&1) || { printf '%s\n' "$simulated"; return 1; }
  printf '%s\n' "$simulated" | while IFS=' ' read -r word name old version origins; do
    [ "$word" = Inst ] || continue
    case $old in '['*) ;; *) [ $# -eq 0 ] || continue; version=$old ;; esac
    for option do
      case $option in
      security) case $origins in *-security*) ;; *) continue 2 ;; esac ;;
      exclude=*) case $name in ${option#exclude=}) continue 2 ;; esac ;;
      esac
    done
    printf '%s %s\n' "$name" "${version#(}"
  done
}
"""

UPDATES_QUERY = rf"""
{LISTS}{PENDING}
stale='the package lists are older than a day'
! fresh || stale=
set -f
IFS='
'
for options do
  if [ -n "$stale" ]; then
    printed=$stale status=1
  else
    printed=$(pending $options); status=$?
  fi
  printf '%s\n{SEPARATOR}%s\n' "$printed" "$status"
done
"""

UPDATE = rf"""
{LISTS}{PENDING}{TRANSACTION}
refresh || exit
if [ $# -eq 0 ]; then apt dist-upgrade; exit; fi
listed=$(pending "$@") || {{ printf '%s\n' "$listed" >&2; exit 100; }}
set -- $(printf '%s\n' "$listed" | while read -r name _; do printf '%s\n' "$name"; done)
[ $# -eq 0 ] || apt install --only-upgrade -- "$@"
"""

OUTDATED_QUERY = rf"""
{LISTS}
fresh || {{ echo 'the package lists are older than a day'; exit 1; }}
apt-cache policy -- "$@"
"""

HOLDS_QUERY = "dpkg-query -W -f='${db:Status-Abbrev}\\t${binary:Package}\\t${Version}\\n' -- \"$@\" 2>/dev/null\n:\n"

# apt-mark takes patterns too, but would hold packages that are not installed.
MARK = r"""
mark=$1; shift
set -- $(dpkg-query -W -f='${db:Status-Abbrev} ${binary:Package}\n' -- "$@" 2>/dev/null |
  while read -r state name; do case $state in ?i*) printf '%s\n' "$name" ;; esac; done)
[ $# -eq 0 ] || exec apt-mark "$mark" -- "$@"
"""
