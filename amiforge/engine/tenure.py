"""Being the only one who works on a host: a lock that lives exactly as long as we do, and the facts read with it."""

from __future__ import annotations

import getpass
import os
import socket
from datetime import UTC, datetime

from amiforge.shell import script
from amiforge.systems.facts import FACTS

# The lock is a link to an owner record, so it never exists without one. Its holder is this very shell, which waits for
# the end of its standard input: a lost link, a dead caller and an orderly end all release it. A record whose shell
# is gone, or that is our own run's, is nobody's. A run that has just ended gets a second to let go.
_TAKE = r"""
umask 077
mkdir -p /run/amiforge || exit
lock=/run/amiforge/lock
mine=$lock.$$
printf '%s\n' "$$" "$1" "$2" >"$mine" || exit
trap 'rm -f -- "$mine"' EXIT
trap 'exit 1' HUP INT TERM PIPE
tries=0
until ln -- "$mine" "$lock" 2>/dev/null; do
  { read -r pid; read -r run; read -r owner; } 2>/dev/null <"$lock" || continue
  if [ "$run" = "$1" ]; then
    kill "$pid" 2>/dev/null; rm -f -- "$lock"
  elif [ -d "/proc/$pid" ]; then
    [ "$tries" -lt 10 ] || { printf '%s\n' "$owner" >&2; exit 1; }
    sleep 0.1; tries=$((tries + 1))
  else
    rm -f -- "$lock"
  fi
done
trap '[ "$mine" -ef "$lock" ] && rm -f -- "$lock"; rm -f -- "$mine"' EXIT
"""

_WAIT_FOR_END = "\necho\ncat >/dev/null\n"


def take(run: str) -> str:
    """Give the script that takes the host's lock for a run, prints its facts, and keeps the lock until its input ends.

    When somebody else has the lock it prints who, since when, on standard error and ends.
    """
    who = f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    took = script(_TAKE, run, f"{who} since {since}")
    return f"set -- {took.words()}\n{took.script}\n{FACTS}{_WAIT_FOR_END}"
