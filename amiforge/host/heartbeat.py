"""Telling a dead link from a slow one.

TCP reports a peer that vanished after many minutes, and paramiko's keepalive never looks for an answer. So we ask the
server something it must answer, and give the link up when it has been silent for too long since, and has not taken a
byte of what we sent either.
"""

from __future__ import annotations

import fcntl
import socket
import sys
import termios
import threading
import time
from contextlib import suppress
from typing import Any, cast

from paramiko import Channel, SSHException, Transport


class Wire:
    """A socket, or a proxy's stand-in for one, that sends at once and knows when it last heard something."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._closed_once = threading.Event()
        self._sent = self._taken = 0
        self.heard = time.monotonic()
        # A gateway's channel and a proxy command have no such option; the gateway's own socket has.
        with suppress(AttributeError, OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, size: int) -> bytes:
        """Receive like a socket."""
        data: bytes = self._sock.recv(size)
        if data:
            self.heard = time.monotonic()
        return data

    def send(self, data: bytes) -> int:
        """Send like a socket."""
        sent: int = self._sock.send(data)
        self._sent += sent
        return sent

    def look(self) -> None:
        """Count as heard what the other side has taken since the last look: on a narrow link an answer comes late.

        A bastion is the other side of all that goes through it. What a proxy command has passed on nobody knows.
        """
        if isinstance(self._sock, Channel):
            outer = cast("Wire", self._sock.get_transport().sock)
            outer.look()
            self.heard = max(self.heard, outer.heard)
        elif isinstance(self._sock, socket.socket):
            with suppress(OSError, ValueError):
                waiting = int.from_bytes(fcntl.ioctl(self._sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
                if self._sent - waiting > self._taken:
                    self._taken, self.heard = self._sent - waiting, time.monotonic()

    def close(self) -> None:
        """Close it once, whoever asks."""
        if not self._closed_once.is_set():
            self._closed_once.set()
            self._sock.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Heartbeat:
    """Closes a transport when an answer is overdue by `silence` seconds and nothing was heard or taken meanwhile.

    One thread asks and waits for the answer, which on a full socket means for ever; the other looks at the clock.
    """

    def __init__(self, transport: Transport, wire: Wire, silence: float) -> None:
        self.verdict = ""
        self._transport = transport
        self._wire = wire
        self._silence = silence
        self._asked: float | None = None
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=f"amiforge-{work.__name__.strip('_')}", daemon=True)
            for work in (self._ask, self._watch)
        ]

    def start(self) -> None:
        """Begin to watch the link."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop watching; both threads end soon after the transport is closed."""
        self._stopped.set()

    def join(self) -> None:
        """Wait for the threads' end, when the transport is closed."""
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_STEP * 10)

    def _ask(self) -> None:
        with suppress(SSHException, OSError, EOFError):
            while not self._stopped.wait(self._silence / 4) and self._transport.is_active():
                self._asked = time.monotonic()
                self._transport.global_request("keepalive@openssh.com", wait=True)
                self._asked = None

    def _watch(self) -> None:
        while not self._stopped.wait(min(_STEP, self._silence / 8)) and self._transport.is_active():
            self._wire.look()
            asked = self._asked
            if asked is not None and time.monotonic() - max(asked, self._wire.heard) > self._silence:
                self.verdict = f"the host has not answered for {self._silence:g} s"
                self._transport.close()


#: Seconds between two looks at the clock.
_STEP = 0.2
