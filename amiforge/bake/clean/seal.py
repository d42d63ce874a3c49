"""The clean as a job of its own on the builder: wipe, prove, close the ways in, prove that, power off."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from amiforge.bake.clean.leaks import LEAKS, lines
from amiforge.bake.clean.text import WALKS
from amiforge.engine.failure import last_lines
from amiforge.engine.job import FORGET_ENDED, Job, job_id, read_status
from amiforge.engine.resource import Change
from amiforge.errors import (
    AuthRefused,
    CommandFailed,
    CommandTimedOut,
    ConnectionLost,
    NotConverged,
    UnexpectedReboot,
    Unreachable,
)
from amiforge.host.base import Host, Output
from amiforge.shell import Secret, script

_CLOSING = "closing the ways in"

# Arguments: what stands before every path, the number of patterns, that many patterns of paths that may hold private
# keys, and the lines to look for. Every row that is printed begins with what it says: `gone`, `left`, `proven`, `at`.
# Something may write between wipe and look, so both happen up to three times. All that is kept lies in memory; so do
# the ways in, until it is proven that nobody needs them again.
SEAL = rf"""
umask 077
R=${{1%/}} allowed=$2; shift 2
work=$(mktemp -d "$R/run/amiforge-seal.XXXXXXXX") || exit
closed=
trap 'rm -rf -- "$work"' EXIT
trap 'put_back; exit 143' HUP INT TERM
for list in allowed secrets gone left ways; do : >"$work/$list"; done
for word; do
  if [ "$allowed" -gt 0 ]; then printf '%s\n' "$word" >>"$work/allowed"; allowed=$((allowed - 1))
  else printf '%s\n' "$word" >>"$work/secrets"
  fi
done
set --
tab=$(printf '\t')
{WALKS}
{LEAKS}
wipe() {{
  mode=wipe
  "$1" >"$work/rows"
  cat "$work/rows" >>"$work/gone"
  sed "s/^/gone$tab/" "$work/rows"
}}
look() {{ mode=look; "$1"; }}
proven() {{
  for try in 1 2 3; do
    for areas; do wipe "$areas"; done
    for areas; do look "$areas"; done >"$work/left"
    [ -s "$work/left" ] || return 0
  done
  return 1
}}
keep() {{
  while IFS= read -r path; do
    mkdir -p -- "$work/kept${{path%/*}}" && cp -aT -- "$R$path" "$work/kept$path" || return
  done <"$work/ways"
}}
put_back() {{
  [ -n "$closed" ] || return 0
  while IFS= read -r path; do
    rm -rf -- "$R$path"
    cp -aT -- "$work/kept$path" "$R$path"
  done <"$work/ways"
  for unit in $stopped; do
    systemctl unmask --quiet --runtime "$unit"
    systemctl start "$unit"
  done
  closed=
}}
writer() {{
  for open in /proc/[0-9]*/fd/*; do
    [ "$open" -ef "$R$1" ] || continue
    pid=${{open#/proc/}} pid=${{pid%%/*}}
    read -r name <"/proc/$pid/comm" && printf ', which %s (pid %s) has open' "$name" "$pid"
    return
  done 2>/dev/null
}}
fail() {{
  put_back
  while IFS=$tab read -r area path; do
    printf 'left\t%s\t%s%s\n' "$area" "$path" "$(writer "$path")"
  done <"$work/left"
  exit 1
}}
at() {{ printf 'at\t%s\n' "$1"; }}
at 'wiping'
proven open_areas || fail
look closing_areas | cut -f2 | grep '^/' >"$work/ways"
at 'looking for secrets and keys'
leaks >"$work/left"
[ ! -s "$work/left" ] || fail
at 'trimming'
sync
[ -n "$R" ] || fstrim -a >/dev/null 2>&1
at '{_CLOSING}'
keep || exit
stopped= closed=yes
proven closing_areas open_areas || fail
trap '' HUP INT TERM
sync
printf 'proven\t%s\n' "$(wc -l <"$work/gone")"
[ -z "$R" ] || exit 0
sleep 2
systemctl --ignore-inhibitors poweroff || systemctl --force poweroff || poweroff -f
"""

_INTERRUPT = 'systemctl kill --signal=TERM "amiforge-job-$1.service"'

#: What keeps an attempt to follow the job from telling anything about it.
_LOST = (ConnectionLost, Unreachable, AuthRefused)
#: Seconds between two tries to connect.
_PAUSE = 0.5
#: Seconds to try again once the ways in are being closed: either they are soon open again, or they never will be.
_CLOSED = 60.0
_TAIL = 16_384

Tell = Callable[[str], None]


def seal(  # noqa: PLR0913 - what the job needs, and what may be known beforehand
    host: Host,
    run_id: str,
    timeout: float,
    on_output: Tell | None = None,
    *,
    secrets: Sequence[Secret] = (),
    allowed: Sequence[str] = (),
    link_wait: float = 300.0,
) -> int:
    """Clean the builder, prove it, and have it power itself off, which it does only if everything was proven.

    The work is a job on the builder, which goes on without us; its script and log lie in memory there. Called again
    while the job runs, this follows it; after one that failed, another one begins. Until it powers off, an instance
    that a shutdown ends must have been told that a shutdown stops it, and its dead-man switch must be off.

    Args:
        host: the builder.
        run_id: the run's id, from which the job's is derived.
        timeout: seconds that the job may take.
        on_output: told a line for each thing that was removed, and for each part of the work that begins.
        secrets: values that no file may hold; they go to the builder's memory only.
        allowed: shell patterns of paths that may hold a private key.
        link_wait: seconds to try to connect again after the link died.

    Returns:
        How many things were removed. The machine is about to power off, or has done so.

    Raises:
        NotConverged: something is still there; names every path. The ways in are as they were, and the machine runs.
        CommandFailed: the job did not come to its end. The ways in are as they were.
        CommandTimedOut: it took too long, and was ended. The ways in are as they were.
        UnexpectedReboot: the machine rebooted under it.
        HostError: it was not reached any more. It may be proven clean: then it powers itself off.
    """
    job = _job(run_id, secrets, allowed, timeout)
    report = _Report(on_output)
    end = time.monotonic() + timeout
    host.connect()
    _begin(host, job, link_wait)
    while report.removed is None:
        try:
            output = host.run(job.follow(report.received), timeout=end - time.monotonic(), on_output=report.take)
        except ConnectionLost as lost:
            if report.removed is None:
                _reconnect(host, lost, min(link_wait, _CLOSED) if report.closing else link_wait)
        except CommandTimedOut:
            host.run(script(_INTERRUPT, job.id).text())
            raise CommandTimedOut(
                f"{host.address} was not clean within {timeout:g} s", output=last_lines(report.text)
            ) from None
        else:
            _refuse(host, output, report)
    return report.removed


def _begin(host: Host, job: Job, link_wait: float) -> None:
    """Start the job unless it runs; a start without an answer is asked for again."""
    while True:
        try:
            output = host.run(f"{FORGET_ENDED}\n{job.start()}")
        except ConnectionLost as lost:
            _reconnect(host, lost, link_wait)
            continue
        if output.status:
            raise CommandFailed(
                f"the wipe of {host.address} could not be started",
                output=output.stderr.decode("utf-8", "replace")[-1000:],
            )
        return


def _reconnect(host: Host, lost: ConnectionLost, patience: float) -> None:
    end = time.monotonic() + patience
    while True:
        host.close()
        try:
            host.connect()
        except _LOST as error:
            if time.monotonic() > end:
                raise error.add(since=lost.message) from lost
        else:
            return
        time.sleep(_PAUSE)


def _refuse(host: Host, output: Output, report: _Report) -> None:
    """Raise what became of a job that ended without a proof."""
    if report.removed is not None:
        return
    if report.left:
        raise NotConverged(
            f"{host.address} is not clean after the wipe",
            state="\n".join(report.left),
            fix="have the recipe remove it, or log in with --on-failure keep and see what wrote it",
        )
    status = read_status(output.stderr)
    if status is None:
        said = output.stderr.decode("utf-8", "replace")[-500:]
        raise UnexpectedReboot(f"{host.address} rebooted while it was being cleaned", said=said, fix="clean it again")
    raise CommandFailed(
        f"the wipe of {host.address} did not come to its end (exit {status})", output=last_lines(report.text)
    )


def _job(run_id: str, secrets: Sequence[Secret], allowed: Sequence[str], timeout: float) -> Job:
    command = script(SEAL, "/", str(len(allowed)), *allowed, *lines(secrets), summary="clean, prove, power off")
    return Job(job_id("seal", run_id), Change("clean the builder", command, job=True, timeout=timeout), lock_wait=0)


class _Report:
    """What the job has said so far, row by row."""

    def __init__(self, tell: Tell | None) -> None:
        self.received = 0
        self.removed: int | None = None
        self.left: list[str] = []
        self.closing = False
        self.text = ""
        self._tell = tell
        self._rest = b""

    def take(self, piece: bytes) -> None:
        self.received += len(piece)
        *rows, self._rest = (self._rest + piece).split(b"\n")
        for row in rows:
            self._row(row.decode("utf-8", "backslashreplace"))

    def _row(self, row: str) -> None:
        kind, _, said = row.partition("\t")
        shown = ": ".join(said.split("\t"))
        if kind == "left":
            self.left.append(shown)
        elif kind == "proven":
            self.removed = int(said)
        elif kind not in {"gone", "at"}:
            self.text = (self.text + row + "\n")[-_TAIL:]
            return
        self.closing = self.closing or (kind, said) == ("at", _CLOSING)
        if self._tell and kind in {"gone", "at"}:
            self._tell(shown)
