"""A host for tests: a function answers for it, as `httpx.MockTransport` does for a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from amiforge.errors import ConnectionLost
from amiforge.host.base import OnOutput, Output
from amiforge.host.envelope import busy, first_paragraph


class FakeHost:
    """A `Host` without a machine.

    Args:
        handler: gives the output of a script, for `hold` too.
        lose_at: numbers of the sessions, counted from 1 over all connections, in which the link dies before an answer.

    Attributes:
        scripts: every script that was sent, in order, lost ones too.
        connections: how often a connection was opened.
    """

    def __init__(self, handler: Callable[[str], Output], *, lose_at: frozenset[int] | set[int] = frozenset()) -> None:
        self.scripts: list[str] = []
        self.connections = 0
        self.connected = False
        self._handler = handler
        self._lose_at = lose_at

    @property
    def address(self) -> str:
        """Always `fake`."""
        return "fake"

    @property
    def sessions(self) -> int:
        """How many sessions were opened, over all connections."""
        return len(self.scripts)

    def connect(self) -> None:
        """Count a connection, unless one is open."""
        self.connections += not self.connected
        self.connected = True

    def close(self) -> None:
        """Close the connection."""
        self.connected = False

    def run(self, script: str, *, timeout: float | None = None, on_output: OnOutput | None = None) -> Output:
        """Give the handler's answer. See `Host.run`."""
        output = self._answer(script)
        if on_output and output.stdout:
            on_output(output.stdout)
        return output

    @contextmanager
    def hold(self, script: str) -> Iterator[bytes]:
        """Give what the handler's answer has up to its first empty line. See `Host.hold`."""
        output = self._answer(script)
        paragraph = first_paragraph(output.stdout)
        if paragraph is None:
            raise busy(output, self.address)
        yield paragraph

    def _answer(self, script: str) -> Output:
        if not self.connected:
            raise ConnectionLost("fake is not connected", fix="call connect() first")
        self.scripts.append(script)
        if len(self.scripts) in self._lose_at:
            self.connected = False
            raise ConnectionLost("the connection to fake was lost", reason="as the test asked")
        return self._handler(script)
