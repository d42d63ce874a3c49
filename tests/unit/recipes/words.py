"""Every word that a resource sends to a host."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import suppress

from amiforge.engine.resource import Resource
from amiforge.shell import Command
from amiforge.systems.system import System

#: A kernel of each operating system that everything exists for.
KERNELS = {
    "amzn2": "5.10.240-238.966.amzn2.x86_64",
    "al2023": "6.12.110-135.202.amzn2023.x86_64",
    "ubuntu2204": "6.8.0-1040-aws",
    "ubuntu2404": "6.17.0-1007-aws",
}


def words(resource: Resource, system: System) -> Iterator[str]:
    """Give every text that a resource has the host read or run."""
    if resource.provable:
        for query in resource.queries(system):
            yield from (query.kind.script, query.item)
    for change in resource.changes(frozenset(resource.desired(system)), system):
        yield from of_command(change.command)


def of_command(command: Command) -> Iterator[str]:
    yield command.script
    for arg in command.args:
        text = arg.reveal() if not isinstance(arg, str) and hasattr(arg, "reveal") else str(arg)
        yield text
        with suppress(binascii.Error, UnicodeDecodeError):  # files travel encoded
            yield base64.b64decode(text, validate=True).decode()
