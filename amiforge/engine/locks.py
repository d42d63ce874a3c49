"""Waiting for a package manager's lock, on the host, and saying who holds it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from amiforge.shell import Command, script

#: The line that a wait ends with when its time is up; the path and the holder follow.
TIMED_OUT = "amiforge: lock not free in time:"

# A lock is a pid file (dnf, yum) or a kernel lock on a file (dpkg, rpm), which /proc/locks knows by device and inode.
# The device is that of the mount, which an overlay's files do not say themselves.
_WAIT = rf"""
limit=$1; shift
device() {{
  at=$(stat -c %m -- "$1") || return
  while read -r _ _ number _ mounted _; do [ "$mounted" != "$at" ] || found=$number; done </proc/self/mountinfo
  printf '%02x:%02x' "${{found%:*}}" "${{found#*:}}"
}}
holder() {{
  case $1 in
  *.pid)
    read -r pid <"$1" && [ -d "/proc/$pid" ] && echo "$pid"; return ;;
  esac 2>/dev/null
  lock=$(stat -c %i -- "$1" 2>/dev/null) && lock=$(device "$1"):$lock || return 1
  while read -r _ kind _ _ pid place _; do
    [ "$kind" != '->' ] || continue
    [ "$place" != "$lock" ] || {{ echo "$pid"; return 0; }}
  done </proc/locks
  return 1
}}
waited=0
for path do
  while pid=$(holder "$path"); do
    read -r name <"/proc/$pid/comm" 2>/dev/null || name=unknown
    if [ "$waited" -ge "$limit" ]; then
      echo "{TIMED_OUT} $path is held by $name (pid $pid) for over $limit s"
      exit 75
    fi
    [ $((waited % 10)) -ne 0 ] || echo "waiting for $path, held by $name (pid $pid), $waited s so far"
    sleep 1; waited=$((waited + 1))
  done
done
"""

#: What dnf, yum, rpm, apt and dpkg print when they lose the race for a lock that was free a moment before.
_LOST_RACE = re.compile(
    r"can't create transaction lock|Could not get lock|Unable to acquire the dpkg frontend lock"
    r"|frontend lock was locked by another process|Unable to lock the (administration )?directory"
    r"|Another app is currently holding the yum lock"
    r"|Failed to obtain the transaction lock",
    re.IGNORECASE,
)


def wait_for(paths: Sequence[str], limit: float) -> Command:
    """Give the command that waits until all lock files are free, printing a line every ten seconds.

    It ends with 75 and the line `TIMED_OUT` when a lock is held for more than `limit` seconds.
    """
    return script(_WAIT, str(int(limit)), *paths, summary="wait for package manager locks")


def lost_race(output: str) -> bool:
    """Tell whether a package manager failed because somebody else took its lock first."""
    return bool(_LOST_RACE.search(output))
