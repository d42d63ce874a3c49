"""What the engine needs of a machine, and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

OnOutput = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Output:
    """What a script that ran to its end left behind. `status` is its true exit status, never a lost link."""

    status: int
    stdout: bytes = b""
    stderr: bytes = b""


class Host(Protocol):
    """A machine that runs sh text as root, over one connection.

    Every method raises `ConnectionLost` when the link dies, never a status; none of them reconnects by itself.
    """

    @property
    def address(self) -> str:
        """How people name the machine: `ec2-user@10.0.3.7`, `localhost`."""

    def connect(self) -> None:
        """Open the connection; does nothing when it is open.

        Raises:
            Unreachable: nothing answered within the connect timeout.
            AuthRefused: the server refused the key or user.
            HostKeyMismatch: the server is not the one pinned.
        """

    def run(self, script: str, *, timeout: float | None = None, on_output: OnOutput | None = None) -> Output:
        """Run sh text as root and wait for its end.

        Args:
            script: sh text; it goes to the shell's standard input and never shows in a process list.
            timeout: seconds until `CommandTimedOut`; None waits as long as the link lives.
            on_output: called with each piece of standard output as it comes.

        Raises:
            ConnectionLost: the link died; whether the script ran on is not known.
            CommandTimedOut: the script did not end in time.
            SudoRefused: sudo wants a password or says no.
        """

    def hold(self, script: str) -> AbstractContextManager[bytes]:
        """Run sh text that prints, then reads its standard input until its end: for what lasts as long as we do.

        The value is all it printed up to its first empty line. On leaving, standard input is closed; if the link or
        this process dies, the script sees the same end. A script that ends before the empty line raises
        `HostBusy` with its standard error.
        """

    def close(self) -> None:
        """Close the connection; never raises."""
