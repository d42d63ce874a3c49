"""What sh text says on a host, for checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amiforge.shell import script

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost


def printed(host: TestinfraHost, text: str, *args: str) -> str:
    """Give what constant sh text prints with these arguments; a status other than 0 fails the check."""
    return str(host.check_output(script(text, *args).text()))


def status(host: TestinfraHost, text: str, *args: str) -> int:
    """Give the exit status of constant sh text with these arguments."""
    return int(host.run(script(text, *args).text()).rc)
