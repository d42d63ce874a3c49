"""One host for the length of a run: connected, locked, its facts known, and connected again when the link dies."""

from __future__ import annotations

import secrets
import time
from codecs import getincrementaldecoder
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from amiforge.engine.events import JobOutput, LinkLost, Listener, RebootFinished, RebootStarted
from amiforge.engine.failure import explain, last_lines
from amiforge.engine.job import FORGET_ENDED, LEAVING, LOG_CUT_OFF, Job, read_status
from amiforge.engine.lockfile import recorded
from amiforge.engine.plan import Item
from amiforge.engine.tenure import take
from amiforge.errors import (
    AuthRefused,
    CommandTimedOut,
    ConnectionLost,
    HostError,
    NotComingBack,
    NotGoingDown,
    RebootError,
    SudoRefused,
    UnexpectedReboot,
    Unreachable,
)
from amiforge.host.base import Host
from amiforge.settings import EngineSettings
from amiforge.systems.facts import parse
from amiforge.systems.system import System

_LOST = (ConnectionLost, Unreachable, AuthRefused, SudoRefused)

#: Reboots the host. It is the service manager's work and outlives this shell, so the answer gets out before it goes.
REBOOT = """
if [ -d /run/systemd/system ]; then systemd-run --quiet --on-active=1 systemctl reboot
else (sleep 1; reboot) </dev/null >/dev/null 2>&1 & fi
"""

# `is-system-running --wait` is missing in Amazon Linux 2's systemd.
_BOOTED = """
while case $(systemctl is-system-running 2>/dev/null) in initializing|starting) ;; *) false ;; esac; do sleep 0.2; done
"""


class Link:
    """The connection to a host during an apply. Use as a context manager; `system` is known inside.

    `jobs_of` names the jobs: those of one name are the same, whichever process started them. An apply without a run's
    name follows what an earlier one has left running.
    """

    system: System

    def __init__(
        self,
        host: Host,
        settings: EngineSettings,
        listener: Listener,
        dress: Callable[[System], System],
        run: str = "",
    ) -> None:
        self.host = host
        self.settings = settings
        self.listener = listener
        self.jobs_of = run or "apply"
        self._run = run or secrets.token_hex(8)
        self._dress = dress
        self._held = ExitStack()

    def __enter__(self) -> Self:
        self.host.connect()
        self._hold(FORGET_ENDED)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._held.close()

    def start(self, job: Job) -> None:
        """Start a job and leave it to itself."""
        self.host.run(job.start())

    def finish(self, job: Job, item: Item) -> None:
        """Start a job unless it was started, and see it to its end, over as many connections as that takes.

        Raises:
            TaskError: the job failed; says how.
            CommandTimedOut: it did not end in time, and was ended.
            UnexpectedReboot: the host rebooted under it.
        """
        tail = _Tail(lambda text: self.listener(JobOutput(task=item.task, resource=item.resource.name, text=text)))
        status, remark = self._follow(job, tail)
        if status:
            raise explain(job.change, status, f"{tail.text}\n{remark}")
        for event in recorded(tail.text):
            self.listener(event)

    def _follow(self, job: Job, tail: _Tail) -> tuple[int, str]:
        """Give a job's status, and what there is to say about its log."""
        deadline = time.monotonic() + job.change.timeout
        script = f"{job.start()} || exit\n"
        while True:
            left = deadline - time.monotonic()
            try:
                output = self.host.run(script + job.follow(tail.received), timeout=left, on_output=tail.take)
            except ConnectionLost as lost:
                self.reconnect(lost)
                continue
            except CommandTimedOut:
                self.host.run(job.stop())
                raise CommandTimedOut(
                    f"{job.change.summary} did not end within {job.change.timeout:g} s",
                    ran=str(job.change.command),
                    output=last_lines(tail.text),
                ) from None
            status, said = read_status(output.stderr), output.stderr.decode("utf-8", "replace")
            if status is None:
                raise explain(job.change, output.status, said)
            if LEAVING in said:
                self.reconnect(ConnectionLost(f"{self.host.address} is shutting down"), leaving=True)
            return status, LOG_CUT_OFF if LOG_CUT_OFF in said else ""

    def reboot(self, reason: str) -> None:
        """Reboot the host, wait until it is back and settled, and read its facts again.

        Raises:
            NotGoingDown: its boot id stayed the same.
            NotComingBack: it was not usable again in time.
        """
        before, started = self.system.boot_id, time.monotonic()
        self.listener(RebootStarted(host=self.host.address, reason=reason))
        with suppress(ConnectionLost):
            self.host.run(REBOOT)
        self._drop()
        try:
            self._await_boot(before, started)
        except RebootError as error:
            error.add(reason=reason)
            raise
        self.listener(
            RebootFinished(host=self.host.address, seconds=time.monotonic() - started, kernel=self.system.kernel)
        )

    def _await_boot(self, before: str, started: float) -> None:
        last = "still up, with the same boot id"
        while True:
            waited = time.monotonic() - started
            if waited > self.settings.coming_back:
                raise NotComingBack(
                    f"{self.host.address} is not back {waited:.0f} s after the reboot", last=last, fix=_BACK_FIX
                )
            try:
                self.host.connect()
                self._hold()
                if self.system.boot_id != before:
                    self._settle()
                    return
                if waited > self.settings.going_down:
                    raise NotGoingDown(
                        f"{self.host.address} has not gone down {waited:.0f} s after it was told to",
                        fix="see `systemctl list-jobs` on the host: something may inhibit the shutdown",
                    )
            except HostError as error:
                # Whatever a host says on its way down or up, it says something else in a moment.
                last = error.message
            self._drop()
            time.sleep(_PAUSE)

    def _settle(self) -> None:
        """Wait until the service manager has finished booting, and the link has lasted a moment longer."""
        try:
            self.host.run(_BOOTED, timeout=self.settings.settle)
        except CommandTimedOut:
            raise NotComingBack(
                f"{self.host.address} is back, and systemd has not finished starting within {self.settings.settle:g} s",
                fix="see `systemctl list-jobs` on the host for what it waits for, or raise engine.settle",
            ) from None
        time.sleep(_STEADY)
        self.host.run(":")

    def reconnect(self, lost: ConnectionLost, *, leaving: bool = False) -> None:
        """Open a link again that died, or one to a host that is leaving, once it is back.

        Raises:
            HostError: it does not open again in time.
            UnexpectedReboot: it does, and the host has rebooted meanwhile.
        """
        self.listener(LinkLost(host=self.host.address, reason=lost.message))
        before, deadline = self.system.boot_id, time.monotonic() + self.settings.link_wait
        while True:
            self._drop()
            last: HostError = lost
            try:
                self.host.connect()
                self._hold()
                if not leaving or self.system.boot_id != before:
                    break
            except _LOST as error:
                last = error
            if time.monotonic() > deadline:
                raise last.add(since=lost.message) from lost
            time.sleep(_PAUSE)
        if self.system.boot_id != before:
            raise UnexpectedReboot(
                f"{self.host.address} rebooted while it was working for us", fix="apply again: what is done is kept"
            )

    def _hold(self, first: str = "") -> None:
        self._held.close()
        self._held = ExitStack()
        self.system = self._dress(parse(self._held.enter_context(self.host.hold(take(self._run, first)))))

    def _drop(self) -> None:
        with suppress(ConnectionLost):
            self._held.close()
        self.host.close()


#: Seconds between two tries to connect.
_PAUSE = 0.3
#: Seconds a link must last after a boot; some images start sshd twice.
_STEADY = 1.0
_TAIL_BYTES = 65_536

_BACK_FIX = "see the machine's console output for what keeps it, or raise engine.coming_back"


class _Tail:
    """The end of a job's output, and how much of it came."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self.received = 0
        self._end = b""
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._on_text = on_text

    def take(self, piece: bytes) -> None:
        self.received += len(piece)
        self._end = (self._end + piece)[-_TAIL_BYTES:]
        self._on_text(self._decoder.decode(piece))

    @property
    def text(self) -> str:
        return self._end.decode("utf-8", "replace")
