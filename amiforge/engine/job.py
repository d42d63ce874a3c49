"""Jobs: detached commands on a host that survive a lost link, with their output followed live."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from amiforge.engine.failure import KILLED
from amiforge.engine.locks import wait_for
from amiforge.engine.resource import Change
from amiforge.shell import PRELUDE, script

#: Everything about a job lives here until it is finished: in memory, readable by root only, gone with a reboot.
JOBS = "/run/amiforge/jobs"

#: What a failed job's standard error says when there was no room for all of its log.
LOG_CUT_OFF = f"No space left on device: the log of the job, in {JOBS}, breaks off"

#: What it says when the host is shutting down, which kills jobs before it cuts the link.
LEAVING = "the host is shutting down"

# Starting is idempotent: a job's folder gets its name when everything is in it, and whoever finds it there starts the
# runner, of which only the first makes `begun`. So a start that broke off anywhere is finished by the next one. The
# runner is a unit of its own, or at least a session of its own, so nothing that happens to this shell reaches it. A
# unit of a runner that was killed is forgotten where systemd-run can say so, which it learned in version 236. Of two
# who start at once one is refused, and waits for the other's to begin. What is written goes through tee, which unlike
# dash says why it could not be.
_START = rf"""
umask 077
mkdir -p {JOBS} || exit
job={JOBS}/$1
if [ ! -d "$job" ]; then
  new=$(mktemp -d "{JOBS}/.new.XXXXXXXX") || exit
  trap 'rm -rf -- "$new"' EXIT
  printf '%s' "$2" | tee -- "$new/script" >/dev/null && printf '%s' "$3" | tee -- "$new/run" >/dev/null &&
    printf '%12s\n' | tee -- "$new/pid.new" "$new/status.new" >/dev/null && : >"$new/log" || exit
  mv -T -- "$new" "$job" 2>/dev/null || [ -d "$job" ] || exit
fi
if [ -d "$job/begun" ]; then :
elif [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
  systemd-run --help | grep -q -e --collect && collect=--collect || collect=
  systemd-run --quiet $collect --unit="amiforge-job-$1" --description="amiforge job" sh -- "$job/run" "$job" || {{
    tries=0
    until [ -d "$job/begun" ] || [ "$tries" -ge 50 ]; do sleep 0.1; tries=$((tries + 1)); done
    [ -d "$job/begun" ] || exit
  }}
else
  setsid sh -- "$job/run" "$job" </dev/null >/dev/null 2>&1 &
fi
"""

# Process id and status are written over blanks that are there already, so that a full /run does not keep them from us.
_RUN = r"""
job=$1
mkdir -- "$job/begun" || exit
printf '%-12s\n' "$$" 1<>"$job/pid.new" && mv -- "$job/pid.new" "$job/pid"
sh -- "$job/script" >"$job/log" 2>&1 </dev/null
printf '%-12s\n' "$?" 1<>"$job/status.new" && mv -- "$job/status.new" "$job/status"
"""

# Prints the log from an offset until the runner has left its status or is gone, and nothing else on standard output, so
# that bytes received are bytes of the log. The status is looked for before the log, or its last lines could be missed.
_FOLLOW = rf"""
job={JOBS}/$1 offset=$2
[ -d "$job" ] || {{ echo 'job gone' >&2; exit 1; }}
tries=0
until [ -e "$job/pid" ] || [ "$tries" -ge 100 ]; do sleep 0.1; tries=$((tries + 1)); done
read -r pid <"$job/pid" || {{ echo 'job not started' >&2; exit 1; }}
status=
until [ -n "$status" ]; do
  if [ -e "$job/status" ]; then read -r status <"$job/status"
  elif kill -0 "$pid" 2>/dev/null; then sleep 0.1
  else status=killed; [ ! -e "$job/status" ] || read -r status <"$job/status"
  fi
  size=$(stat -c %s -- "$job/log")
  [ "$size" -le "$offset" ] || tail -c "+$((offset + 1))" -- "$job/log" | head -c "$((size - offset))"
  offset=$size
done
if [ "$status" != 0 ]; then
  {{ echo >"$job/room"; }} 2>/dev/null || echo "{LOG_CUT_OFF}" >&2
  [ ! -d /run/systemd/system ] || case $status,$(systemctl is-system-running 2>/dev/null) in
    *,stopping) echo "{LEAVING}" >&2 ;;
    *,running|*,degraded|*,starting|*,initializing|*,maintenance) ;;
    killed,*|137,*) echo "{LEAVING}" >&2 ;;  # it is so late in the shutdown that systemd does not answer any more
  esac
fi
echo "job status $status" >&2
"""

_STOP = rf"""
job={JOBS}/$1
systemctl kill --signal=KILL "amiforge-job-$1.service" 2>/dev/null || {{
  read -r pid <"$job/pid" && kill -KILL "-$pid"
}} 2>/dev/null
:
"""

#: Forgets every job that does not run any more. What came of it is to be seen on the host; what failed is tried again
#: by a process that goes on with the run of another one, which follows what still runs. One that has not begun has not
#: ended: somebody may be about to start it.
FORGET_ENDED = rf"""
for job in {JOBS}/*; do
  [ -d "$job/begun" ] || continue
  if [ ! -e "$job/status" ]; then
    read -r pid 2>/dev/null <"$job/pid" && kill -0 "$pid" 2>/dev/null && continue
    systemctl is-active --quiet "amiforge-job-${{job##*/}}" 2>/dev/null && continue
  fi
  rm -rf -- "$job"
done
"""

_FORGET = rf'rm -rf -- "{JOBS}/$1"'


@dataclass(frozen=True, slots=True)
class Job:
    """A change that runs detached. Two jobs of one id are the same job."""

    id: str
    change: Change
    lock_wait: float

    def start(self) -> str:
        """Give sh text that starts the job, unless it was started before."""
        waiting = wait_for(self.change.locks, self.lock_wait).text() if self.change.locks else ":"
        body = f"{PRELUDE}{waiting} || exit\n{self.change.command.text()}\n"
        return script(_START, self.id, body, _RUN).text()

    def follow(self, offset: int) -> str:
        """Give sh text that prints the log from a byte offset until the job's end, then its status."""
        return script(_FOLLOW, self.id, str(offset)).text()

    def stop(self) -> str:
        """Give sh text that ends the job by force."""
        return script(_STOP, self.id).text()

    def forget(self) -> str:
        """Give sh text that removes what the job left in memory."""
        return script(_FORGET, self.id).text()


def job_id(*parts: str) -> str:
    """Give the id of a job: the same for the same parts, and fit for a unit's name."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def read_status(stderr: bytes) -> int | None:
    """Give the exit status that `follow` reported: 137 for a job that was killed, None when it reported none."""
    for line in reversed(stderr.decode("utf-8", "replace").splitlines()):
        if reported := re.fullmatch(r"job status (killed|[0-9]{1,3})", line.strip()):
            return KILLED if reported[1] == "killed" else int(reported[1])
    return None
