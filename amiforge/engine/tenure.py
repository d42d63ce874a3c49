"""Being the only one who works on a host: a lock that lives exactly as long as we do, and the facts read with it."""

from __future__ import annotations

import getpass
import os
import socket
from datetime import UTC, datetime

from amiforge.host.envelope import CANNOT_WRITE
from amiforge.shell import script
from amiforge.systems.facts import FACTS

#: The quick script that a run is at: the process id of its shell and the time that one started at, as process ids are
#: used again.
_WORK = "/run/amiforge/work"

_STARTED = r"""
started() { read -r stat <"/proc/$1/stat" && set -- ${stat##*) } && echo "${20}"; } 2>/dev/null
"""

# The lock is a link to an owner record, so it never exists without one. Its holder is this very shell, which waits for
# the end of its standard input: a lost link, a dead caller and an orderly end all release it. A record whose shell
# is gone, or that is our own run's, is nobody's. A run that has just ended gets some seconds to let go: it first ends
# the script that it was at, if that is not over, so that two runs never work at the same time.
_TAKE = rf"""
umask 077
lock=/run/amiforge/lock
mine=$lock.$$
{_STARTED}
stop_work() {{
  {{ read -r worker begun <{_WORK}; }} 2>/dev/null || return 0
  tries=0
  while now=$(started "$worker") && [ "$now" = "$begun" ] && [ "$tries" -lt 20 ]; do
    read -r stat <"/proc/$worker/stat" || break
    set -- ${{stat##*) }}
    case $tries in 0) kill -TERM "-$3" ;; 10) kill -KILL "-$3" ;; esac
    tries=$((tries + 1)); sleep 0.1
  done 2>/dev/null
  rm -f -- {_WORK}
}}
trap 'rm -f -- "$mine"' EXIT
trap 'exit 1' HUP INT TERM PIPE
mkdir -p /run/amiforge && printf '%s\n' "$$" "$1" "$2" | tee -- "$mine" >/dev/null || {{
  stat -f -c '/run: %a of %b blocks of %S bytes free, %d of %c inodes' /run >&2
  exit {CANNOT_WRITE}
}}
tries=0
until ln -- "$mine" "$lock" 2>/dev/null; do
  {{ read -r pid; read -r run; read -r owner; }} 2>/dev/null <"$lock" || continue
  if [ "$run" = "$1" ]; then
    kill "$pid" 2>/dev/null; stop_work; rm -f -- "$lock"
  elif [ -d "/proc/$pid" ]; then
    [ "$tries" -lt 30 ] || {{ printf '%s\n' "$owner" >&2; exit 1; }}
    sleep 0.1; tries=$((tries + 1))
  else
    stop_work; rm -f -- "$lock"
  fi
done
trap '[ "$mine" -ef "$lock" ] && stop_work && rm -f -- "$lock"; rm -f -- "$mine"' EXIT
"""

_WAIT_FOR_END = "\necho\ncat >/dev/null\n"

#: sh text before a quick script that changes the host, by which whoever has the lock next can end it.
AT_WORK = f"""{_STARTED}
trap 'rm -f -- {_WORK}' EXIT
{{ echo "$$ $(started $$)" >{_WORK}; }} 2>/dev/null || :
"""


def take(run: str, first: str = "") -> str:
    """Give the script that takes the host's lock for a run, prints its facts, and keeps the lock until its input ends.

    When somebody else has the lock it prints who, since when, on standard error and ends. `first` is sh text that runs
    as soon as it has the lock, and prints nothing.
    """
    who = f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    took = script(_TAKE, run, f"{who} since {since}")
    return f"set -- {took.words()}\n{took.script}\n{first}\n{FACTS}{_WAIT_FOR_END}"
