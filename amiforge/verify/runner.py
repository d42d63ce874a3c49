"""Putting a recipe's checks to a host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from amiforge.engine.events import CheckFinished, Listener, silent
from amiforge.errors import CheckFailed
from amiforge.host.base import Host
from amiforge.recipes.recipe import Recipe
from amiforge.redaction import Redaction, secrets_in
from amiforge.systems.system import System
from amiforge.verify.check import read_system, stated_by
from amiforge.verify.junit import write_junit


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
        outcomes = tuple(_outcomes(host, recipe, system or read_system(host), listener))
        if junit:
            write_junit(junit, recipe.name, outcomes)
        _refuse_failures(outcomes, f"{recipe.name} on {host.address}")
        return outcomes


def _outcomes(host: Host, recipe: Recipe, system: System, listener: Listener) -> Iterator[CheckFinished]:
    for stated in stated_by(recipe, host, system):
        outcome = stated.test(system)
        listener(outcome)
        yield outcome


def _refuse_failures(outcomes: Sequence[CheckFinished], what: str) -> None:
    failed = [outcome for outcome in outcomes if outcome.outcome == "failed"]
    if failed:
        raise CheckFailed(
            f"{len(failed)} of {len(outcomes)} checks failed: {what}",
            failed="\n".join(f"{outcome.task}: {outcome.title}: {outcome.detail}" for outcome in failed),
        )
