"""This machine."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Self, cast

from amiforge.errors import CommandTimedOut, ConnectionLost
from amiforge.host.base import OnOutput, Output
from amiforge.host.envelope import Envelope, Stream, busy, sudo_refused


class LocalHost:
    """A `Host` that is the machine we run on. Anyone but root gets to root with `sudo -n`."""

    @property
    def address(self) -> str:
        """Always `localhost`."""
        return "localhost"

    def connect(self) -> None:
        """Do nothing: we are here."""

    def close(self) -> None:
        """Do nothing."""

    def run(self, script: str, *, timeout: float | None = None, on_output: OnOutput | None = None) -> Output:
        """Run sh text as root and wait for its end. See `Host.run`.

        A script that is out of time is killed, with everything it started and did not detach.
        """
        with _Shell(script, on_output or _ignore) as shell:
            shell.exchange(lambda: shell.envelope.ended, timeout, end_input=True)
            return self._output(shell.envelope)

    @contextmanager
    def hold(self, script: str) -> Iterator[bytes]:
        """Run sh text that lives until its standard input ends. See `Host.hold`."""
        with _Shell(script, _ignore) as shell:
            envelope = shell.envelope
            shell.exchange(lambda: envelope.ended or envelope.paragraph is not None)
            if envelope.paragraph is None:
                raise busy(self._output(envelope), self.address)
            try:
                yield envelope.paragraph
            finally:
                with suppress(CommandTimedOut):
                    shell.exchange(lambda: envelope.ended, _RELEASE, end_input=True)

    def _output(self, envelope: Envelope) -> Output:
        if envelope.ended and envelope.begun:
            return envelope.output
        if envelope.ended:
            raise sudo_refused(envelope, self.address)
        raise ConnectionLost("the shell was killed", said=envelope.noise)


class _Shell:
    """A child process that runs a script in its envelope; sends and takes at once, so that nobody waits for nobody."""

    def __init__(self, script: str, on_output: OnOutput) -> None:
        self.envelope = Envelope(script, sudo=os.geteuid() != 0)
        self._on_output = on_output
        self._pending = memoryview(self.envelope.payload)
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self.envelope.argv, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
        )
        self._stdin = cast("IO[bytes]", self._process.stdin)
        os.set_blocking(self._stdin.fileno(), False)
        self._selector.register(self._stdin, selectors.EVENT_WRITE)
        self._selector.register(cast("IO[bytes]", self._process.stdout), selectors.EVENT_READ, "stdout")
        self._selector.register(cast("IO[bytes]", self._process.stderr), selectors.EVENT_READ, "stderr")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if kind is not None:
            self._kill()
        self._selector.close()
        for file in (self._process.stdin, self._process.stdout, self._process.stderr):
            cast("IO[bytes]", file).close()
        self._process.wait()

    def exchange(self, until: Callable[[], bool], timeout: float | None = None, *, end_input: bool = False) -> None:
        """Go on until a condition holds or both streams end. See `SshSession.exchange`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if end_input and not self._pending:
            self._stdin.close()
        while not until() and self._selector.get_map():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise CommandTimedOut(f"no end within {timeout:g} s", host="localhost")
            for key, _events in self._selector.select(left):
                if key.data:
                    self._receive(key, key.data)
                else:
                    self._send(end_input=end_input)

    def _send(self, *, end_input: bool) -> None:
        with suppress(BrokenPipeError):
            self._pending = self._pending[os.write(self._stdin.fileno(), self._pending[:_PIECE]) :]
            if self._pending:
                return
        self._selector.unregister(self._stdin)
        if end_input:
            self._stdin.close()

    def _receive(self, key: selectors.SelectorKey, stream: Stream) -> None:
        data = os.read(key.fd, _PIECE)
        if not data:
            self._selector.unregister(key.fileobj)
        own = self.envelope.feed(stream, data)
        if own and stream == "stdout":
            self._on_output(own)

    def _kill(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)


def _ignore(_data: bytes) -> None:
    """Take output nobody asked for."""


_PIECE = 65_536
#: Seconds a held script gets for its own tidying up.
_RELEASE = 5.0
