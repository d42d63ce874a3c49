"""Testinfra over a connection that is open already."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host as TestinfraHost

from amiforge.host.base import Host, Output

#: Seconds that one question of a check may take.
TIMEOUT = 120.0
_SHOWN = 500


def testinfra_host(host: Host) -> TestinfraHost:
    """Give testinfra's view of a connected host. All commands run as root, one session each."""
    return TestinfraHost(Backend(host.address, partial(host.run, timeout=TIMEOUT)))


class Result(CommandResult):  # type: ignore[misc]  # testinfra ships no types
    """A command's result that reads well in a failed check's reason."""

    def __str__(self) -> str:
        said = (self.stderr.strip() or self.stdout.strip())[-_SHOWN:]
        command = self.backend.decode(self.command)[:_SHOWN]
        return f"`{command}`: {said}" if said else f"`{command}`"


class Backend(BaseBackend):  # type: ignore[misc]  # testinfra ships no types
    """A testinfra backend on top of `ask`, which runs sh text as root on the host that is named so.

    A lost connection is raised, never mistaken for a failed command.
    """

    NAME = "amiforge"

    def __init__(self, name: str, ask: Callable[[str], Output]) -> None:
        super().__init__(name)
        self._ask = ask

    def run(self, command: str, *args: str, **_kwargs: Any) -> CommandResult:
        """Run a command as root."""
        text = self.get_command(command, *args)
        output = self._ask(text)
        return Result(self, output.status, self.encode(text), output.stdout, output.stderr)

    def get_encoding(self) -> str:
        """Give UTF-8, without asking the host's Python, which it need not have."""
        return "utf-8"

    def decode(self, data: bytes) -> str:
        """Decode; bytes that are no UTF-8 are kept as surrogates."""
        return data.decode("utf-8", "surrogateescape")

    def encode(self, data: str) -> bytes:
        """Undo `decode`."""
        return data.encode("utf-8", "surrogateescape")
