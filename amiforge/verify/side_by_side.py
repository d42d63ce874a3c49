"""Many hosts at a time, as a cluster's nodes: each over a connection of its own, whatever becomes of the others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from amiforge.engine.events import CheckFinished, Listener, silent
from amiforge.errors import AmiforgeError
from amiforge.host.base import Host
from amiforge.recipes.recipe import Recipe
from amiforge.redaction import Redaction, secrets_in
from amiforge.verify.check import outcomes, read_system
from amiforge.verify.verification import HostOutcome, Verification
from amiforge.verify.versions import versions


def verify_hosts(
    hosts: Mapping[str, Host], recipe: Recipe, *, at_once: int = 16, listener: Listener = silent
) -> Verification:
    """Put every check of every task to every host. The connections stay open; who made the hosts closes them.

    Args:
        hosts: by their names; those that are not connected are, each when it is its turn.
        recipe: what they should be.
        at_once: how many are worked on at a time.
        listener: gets each `CheckFinished`, and a `HostVerified` for each host; from several threads.
    """
    started = time.monotonic()
    redaction = Redaction(secrets_in(recipe))
    pool = ThreadPoolExecutor(max(1, min(at_once, len(hosts))), "verify")
    try:
        turns = [_Turn(name, host, recipe, redaction, listener, len(hosts) > 1) for name, host in hosts.items()]
        found = tuple(turn.result() for turn in [pool.submit(turn.take) for turn in turns])
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for host in hosts.values():
            host.close()  # so that threads at work end too
        raise
    finally:
        pool.shutdown()
    return Verification(recipe.name, found, time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One host's turn."""

    name: str
    host: Host
    recipe: Recipe
    redaction: Redaction
    listener: Listener
    compared: bool

    def take(self) -> HostOutcome:
        """Connect, ask, and say what came of it: an error is an outcome too."""
        started = time.monotonic()
        found = HostOutcome(self.name)
        checks: list[CheckFinished] = []
        try:
            with self.redaction.masking():
                self.host.connect()
                system = read_system(self.host)
                for check in outcomes(self.recipe, self.host, system):
                    checks.append(replace(check, host=self.name))
                    self.listener(checks[-1])
                if self.compared:
                    found = replace(found, versions=versions(self.host))
        except AmiforgeError as error:
            found = replace(found, error=error)
        found = replace(found, checks=tuple(checks), seconds=time.monotonic() - started)
        self.listener(found.event())
        return found
