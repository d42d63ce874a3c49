"""A proxy command in a socket's place: what it reads is what we send, what it prints is what we receive.

paramiko has one, too; it cannot tell a command that has ended from one that is silent, runs no shell, and keeps what
the command said of its troubles to itself.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from typing import IO, cast

_LAST_LINES = 8
_LAST_BYTES = 4096


class Proxy:
    """A running proxy command, in a session of its own: a Ctrl-C that ends our work in order must not end it before.

    Args:
        command: for sh, which gives its place to it, as ssh does it.
    """

    def __init__(self, command: str) -> None:
        self.command = command
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process is reaped
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            bufsize=0,
            start_new_session=True,
        )
        self._input, self._output = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        os.set_blocking(self._input.fileno(), False)
        self._timeout: float | None = None
        self._closed = threading.Event()
        self._hung_up = False
        self._own_status: int | None = None
        self._reaped = False

    def settimeout(self, seconds: float | None) -> None:
        """Set how long sending and receiving wait, like a socket."""
        self._timeout = seconds

    def recv(self, size: int) -> bytes:
        """Receive like a socket; empty when the command has ended."""
        self._wait(self._output.fileno(), select.POLLIN)
        data = b"" if self._closed.is_set() else os.read(self._output.fileno(), size)
        self._hung_up = self._hung_up or not data
        return data

    def send(self, data: bytes) -> int:
        """Send like a socket.

        Raises:
            BrokenPipeError: the command has ended, or reads no more.
        """
        self._wait(self._input.fileno(), select.POLLOUT)
        return os.write(self._input.fileno(), data)

    def ended(self) -> str:
        """Say with what status the command ended on its own; empty while it runs, or when it was ended by us."""
        status = self._own_status if self._closed.is_set() else self._status(_MOMENT if self._hung_up else 0)
        if status is None:
            return ""
        return f"the proxy command {f'was killed by signal {-status}' if status < 0 else f'ended with status {status}'}"

    def said(self) -> str:
        """Give the last lines of its standard error."""
        if self._reaped:
            return ""
        size = os.fstat(self._said.fileno()).st_size
        last = os.pread(self._said.fileno(), _LAST_BYTES, max(0, size - _LAST_BYTES))
        return "\n".join(last.decode(errors="replace").strip().splitlines()[-_LAST_LINES:])

    def close(self) -> None:
        """Ask the command, and what it started, to end."""
        if not self._closed.is_set():
            self._own_status = self._status(_MOMENT if self._hung_up else 0)
            self._closed.set()
            self._signal(signal.SIGTERM)

    def reap(self) -> None:
        """Close, see that nothing of it is left, and give back what it took; nobody must use it any more."""
        if self._reaped:
            return
        self.close()
        self._status(_PATIENCE)
        # Until the first process is waited for, no other one can have its number.
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._reaped = True
        for file in (self._input, self._output, self._said):
            file.close()

    def _wait(self, file: int, event: int) -> None:
        poll = select.poll()
        poll.register(file, event)
        if not poll.poll(None if self._timeout is None else self._timeout * 1000):
            raise TimeoutError

    def _status(self, seconds: float) -> int | None:
        """Give the status, negative for a signal, or None; leaves the process to be waited for."""
        end = time.monotonic() + seconds
        while True:
            found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is not None:
                return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
            if time.monotonic() >= end:
                return None
            time.sleep(_STEP)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


_STEP = 0.02
#: Seconds between the end of a command's output and its own.
_MOMENT = 0.3
#: Seconds a command gets for ending in order.
_PATIENCE = 2.0
