"""Putting a recipe's checks to a host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from amiforge.engine.events import CheckFinished, Listener, silent
from amiforge.host.base import Host
from amiforge.recipes.recipe import Recipe
from amiforge.redaction import Redaction, secrets_in
from amiforge.systems.system import System
from amiforge.verify.check import outcomes, read_system
from amiforge.verify.junit import write_junit
from amiforge.verify.verification import HostOutcome, refuse_failures


def verify(
    host: Host, recipe: Recipe, system: System | None = None, *, listener: Listener = silent, junit: Path | None = None
) -> tuple[CheckFinished, ...]:
    """Put every check of every task to a host.

    The static tier is tested everywhere; what needs a device is skipped where the device is not there.

    Args:
        host: a connected host.
        recipe: what it should be.
        system: its facts; None reads them from the host.
        listener: gets each `CheckFinished` as it comes.
        junit: file to write the outcome to as JUnit XML, whatever it is.

    Raises:
        CheckFailed: some check found something wrong; raised when all were tested, and names each.
        HostError: the host could not be asked.
    """
    with Redaction(secrets_in(recipe)).masking():
        checks = tuple(_told(outcomes(recipe, host, system or read_system(host)), listener))
        if junit:
            write_junit(junit, recipe.name, [HostOutcome(host.address, checks)])
        refuse_failures(checks, f"{recipe.name} on {host.address}")
        return checks


def _told(checks: Iterator[CheckFinished], listener: Listener) -> Iterator[CheckFinished]:
    for check in checks:
        listener(check)
        yield check
