"""Many hosts at a time: what is shown while they are verified, and what came of it."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import wrap
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from amiforge.cli.console import listening
from amiforge.cli.lines import checked, verdict
from amiforge.cli.table import table
from amiforge.engine.discretion import Discreet
from amiforge.engine.display import clock
from amiforge.engine.events import CheckFinished, Event, HostVerified, Listener, StepStarted
from amiforge.redaction import Redaction, secrets_in
from amiforge.verify.nodes import fold
from amiforge.verify.verification import HostOutcome, Verification

#: So many versions that differ are told on a terminal; JSON has all of them.
_TOLD = 12
_STYLES = {"passed": "green", "failed": "bold red", "unknown": "yellow"}


@contextmanager
def watching(title: str, hosts: Sequence[str], *, json: bool, hide: object) -> Iterator[Listener]:
    """Give the listener that shows every check of one host, or how many of several are done; JSON always has all."""
    console = Console(file=sys.stdout, highlight=False)
    if json or len(hosts) == 1 or not console.is_terminal:
        with listening(f"{title} on {fold(hosts)}", json=json, hide=hide) as listener:
            if json or len(hosts) == 1:
                yield listener
                return
            listener(StepStarted(step=f"{title} on {len(hosts)} hosts"))
            yield _without_checks(listener)
        return
    redaction = Redaction(secrets_in(hide))
    with redaction.masking(), Nodes(title, len(hosts), console) as nodes:
        yield Discreet(nodes.see, redaction)


class Nodes:
    """Draws how far a verification of many hosts is. Those that are not right stay on the screen."""

    def __init__(self, title: str, number: int, console: Console) -> None:
        self._title, self._number, self._console = title, number, console
        self._began = time.time()
        self._lock = threading.Lock()
        self._states: Counter[str] = Counter()
        self._at_work: dict[str, CheckFinished] = {}
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.stop()
        self._console.print(self._line())

    def see(self, event: Event) -> None:
        """Take in one event, from any thread."""
        with self._lock:
            if isinstance(event, CheckFinished):
                self._at_work[event.host] = event
            if isinstance(event, HostVerified):
                self._at_work.pop(event.host, None)
                state, said = verdict(event)
                self._states[state] += 1
                if state != "passed":
                    line = Text.assemble((state, _STYLES[state]), f"  {event.host}: {said}")
                    self._console.print(line, no_wrap=True, overflow="ellipsis")

    def _draw(self) -> Group:
        with self._lock:
            at_work = f"  at work: {fold(self._at_work)}" if self._at_work else ""
            return Group(self._line(), Text(at_work, "dim", no_wrap=True, overflow="ellipsis"))

    def _line(self) -> Text:
        done = sum(self._states.values())
        counts = [(f"  {count} {state}", _STYLES[state]) for state, count in self._states.items()]
        took = clock(time.time() - self._began)
        return Text.assemble((self._title, "bold"), f"  {done} of {self._number} hosts", *counts, f"  {took}")


def _without_checks(listener: Listener) -> Listener:
    def see(event: Event) -> None:
        if not isinstance(event, CheckFinished):
            listener(event)

    return see


def summary(found: Verification, width: int) -> Iterator[str]:
    """Give what came of many hosts as lines: those with the same outcome in one row, then what is wrong and where."""
    yield table(("hosts", "number", "checks", "slowest"), map(_row, _alike(found.hosts)))
    yield from _section("failed", _failures(found), width)
    errors = (f"{fold(hosts)}: {error}" for error, hosts in found.errors().items())
    yield from _section("not verified", errors, width)
    yield from _section("not the same everywhere", _differing(found.differing()), width)


def _alike(hosts: Sequence[HostOutcome]) -> list[list[HostOutcome]]:
    """Put hosts together of which the same is to be said; most of a kind first."""
    groups: defaultdict[object, list[HostOutcome]] = defaultdict(list)
    for host in hosts:
        wrong = tuple((check.task, check.title) for check in host.failed)
        groups[host.error is None, wrong, host.count("passed"), host.count("skipped")].append(host)
    return sorted(groups.values(), key=len, reverse=True)


def _row(alike: Sequence[HostOutcome]) -> tuple[str, ...]:
    one = alike[0]
    counts = checked(one.count("passed"), one.count("failed"), one.count("skipped"))
    said = "not verified" if one.error else counts
    return fold(host.host for host in alike), str(len(alike)), said, clock(max(host.seconds for host in alike))


def _failures(found: Verification) -> Iterator[str]:
    asked = sum(bool(host.checks) for host in found.hosts)
    for check, reasons in found.failures().items():
        for reason, hosts in reasons.items():
            where = "everywhere" if 1 < asked == len(hosts) else fold(hosts)
            yield f"{check}: {where}: {' '.join(reason.split())}"


def _differing(differing: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[str]:
    for name, versions in [*differing.items()][:_TOLD]:
        fewest, most = min(map(len, versions.values())), max(map(len, versions.values()))
        yield f"{name}: " + ", ".join(
            f"{len(hosts)}x {version or 'absent'}" + ("" if fewest < len(hosts) == most else f" ({fold(hosts)})")
            for version, hosts in versions.items()
        )
    if len(differing) > _TOLD:
        yield f"and {len(differing) - _TOLD} more; --json names all"


def _section(title: str, lines: Iterator[str], width: int) -> Iterator[str]:
    found = [*lines]
    if found:
        yield f"\n{title}"
    for line in found:
        yield from wrap(line, width, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)
