"""Bringing a host to the state that its tasks describe: ask, compare, change, ask again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from amiforge.engine.batch import put, read_system
from amiforge.engine.discretion import Discreet
from amiforge.engine.events import ApplyFinished, Listener, Status, silent
from amiforge.engine.link import Link
from amiforge.engine.plan import Component, Plan, Planned, assess, lay_out, queries
from amiforge.engine.walk import Result, Walk
from amiforge.host.base import Host
from amiforge.redaction import Redaction, secrets_in
from amiforge.settings import EngineSettings
from amiforge.systems.system import System
from amiforge.systems.trust import FIRST_USE, Trust


@dataclass(frozen=True, slots=True)
class Report:
    """What an apply did. `results` are those of the last pass; a resource changed before a reboot stays `changed`."""

    system: System
    results: tuple[Result, ...]
    seconds: float

    def count(self, status: Status) -> int:
        """Tell how many resources ended in a status."""
        return sum(result.status == status for result in self.results)

    @property
    def changed(self) -> int:
        """How many resources were not as wanted, and are now; or ran because they cannot be asked."""
        return self.count("changed") + self.count("ran")


def plan(
    host: Host,
    components: Sequence[Component],
    *,
    settings: EngineSettings | None = None,
    trust: Trust = FIRST_USE,
) -> Plan:
    """Say what an apply would do to a host, without writing anything to it: one connection, two sessions.

    Raises:
        HostError: the host cannot be reached or used.
        RecipeError: two resources contradict each other.
        FactUnreadable: an answer of the host makes no sense.
    """
    settings = settings or EngineSettings()
    with Redaction(secrets_in(list(components))).masking():
        host.connect()
        system = _dress(settings, trust)(read_system(host))
        items = lay_out(components, system)
        _, replies = put(host, queries(items, system), settings.query_timeout)
        return Plan(system, tuple(assess(item, replies, system) for item in items))


def outline(components: Sequence[Component], system: System) -> Plan:
    """Say what tasks consist of on a system that nobody asks: every resource is unknown until applied."""
    items = lay_out(components, system)
    return Plan(system, tuple(Planned(item, unknown="no host was asked") for item in items))


def apply(  # noqa: PLR0913 - two things are needed, and each of the others may be left out
    host: Host,
    components: Sequence[Component],
    *,
    listener: Listener = silent,
    settings: EngineSettings | None = None,
    trust: Trust = FIRST_USE,
    run: str = "",
) -> Report:
    """Bring a host to the state that the components describe, rebooting it where they say so.

    Nothing counts as done before the host, asked again, says so. A second apply finds nothing to do, with one
    connection and two sessions. What an earlier apply of the same `run`, or also without one, has left running on the
    host is followed to its end instead of begun again.

    Raises:
        HostError: the host cannot be reached, locked or used any more.
        TaskError: a change failed, or did not take.
        RebootError: a reboot went wrong.
        RecipeError: two resources contradict each other.
    """
    settings = settings or EngineSettings()
    started = time.monotonic()
    redaction = Redaction(secrets_in(list(components)))
    listener = Discreet(listener, redaction)
    with redaction.masking(), Link(host, settings, listener, _dress(settings, trust), run) as link:
        walk = Walk(link, components, listener, redaction)
        while reason := walk.go():
            link.reboot(reason)
        report = Report(link.system, tuple(walk.results.values()), time.monotonic() - started)
    listener(
        ApplyFinished(
            host=host.address,
            seconds=report.seconds,
            ok=report.count("ok"),
            changed=report.count("changed"),
            ran=report.count("ran"),
        )
    )
    return report


def _dress(settings: EngineSettings, trust: Trust) -> Callable[[System], System]:
    return lambda system: replace(system, mirror=settings.mirror, trust=trust)
