"""One script in one session of an open SSH connection."""

from __future__ import annotations

import select
import time
from collections.abc import Callable

from paramiko import Channel

from amiforge.errors import CommandTimedOut
from amiforge.host.base import OnOutput
from amiforge.host.envelope import Envelope


class SshSession:
    """Sends a script while it takes what comes back on both streams, so that neither side ever waits for the other.

    Args:
        channel: a channel on which the envelope's command was started.
        envelope: the script.
        on_output: called with each piece of the script's standard output.
    """

    def __init__(self, channel: Channel, envelope: Envelope, on_output: OnOutput) -> None:
        self._channel = channel
        self._envelope = envelope
        self._on_output = on_output
        self._pending = memoryview(envelope.payload)

    def exchange(self, until: Callable[[], bool], timeout: float | None = None, *, end_input: bool = True) -> bool:
        """Go on until a condition holds, or the session ends; tell whether it holds.

        Args:
            until: looked at after each piece.
            timeout: seconds.
            end_input: the script is all there will be on standard input.

        Raises:
            CommandTimedOut: the time is over.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        while True:
            over = self._channel.eof_received or self._channel.closed
            self._send(end_input=end_input)
            self._receive()
            if until() or over:
                return until()
            if deadline is not None and time.monotonic() > deadline:
                raise CommandTimedOut(f"no end within {timeout:g} s")
            poll.poll(_WHILE_SENDING if self._pending else _WHILE_WAITING)

    def end_input(self) -> None:
        """Tell the script that its standard input is over."""
        self._channel.shutdown_write()

    def _send(self, *, end_input: bool) -> None:
        try:
            while self._pending and self._channel.send_ready():
                self._pending = self._pending[self._channel.send(self._pending[:_PIECE].tobytes()) :]
                if end_input and not self._pending:
                    self.end_input()
        except (OSError, EOFError):
            # Nobody listens any more. What they said before they went is still to be read.
            self._pending = self._pending[:0]

    def _receive(self) -> None:
        while self._channel.recv_ready():
            own = self._envelope.feed("stdout", self._channel.recv(_PIECE))
            if own:
                self._on_output(own)
        while self._channel.recv_stderr_ready():
            self._envelope.feed("stderr", self._channel.recv_stderr(_PIECE))


_PIECE = 65_536
#: Milliseconds; the server's window opens without waking us, and a deadline should not be missed by much.
_WHILE_SENDING = 5
_WHILE_WAITING = 250
