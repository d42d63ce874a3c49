"""The workload applied by every tool: with nothing to do on one machine, and for the first time on one machine each."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from statistics import median

from amiforge.sandbox.forwarder import Forwarder
from tests.bench.machine import Launcher, Machine, Traffic
from tests.bench.table import Row, at_most, faster
from tests.bench.tools import Amiforge, Ansible, Place, Pyinfra, Tool
from tests.bench.workload import COUNT, DRIFT, DRIFTED

#: Round trips in milliseconds, and how many times faster than pyinfra and Ansible a no-op apply must be there.
BUDGETS = {0: {"pyinfra": 10, "Ansible": 40}, 50: {"pyinfra": 30, "Ansible": 80}}


@dataclass(frozen=True, slots=True)
class Applied:
    """One run of one tool."""

    seconds: float
    traffic: Traffic


def applies(launcher: Launcher, folder: Path, runs: Mapping[str, int], trips: Sequence[int]) -> Iterator[Row]:
    """Measure first applies, then no-op applies and sessions on one of the machines that they leave behind.

    Raises:
        RuntimeError: a tool failed, changed another number of resources than it should, or left another state.
    """
    tools = (Amiforge(folder), Pyinfra(folder), Ansible(folder))
    ours, *_ = machines = [launcher.launch() for _ in tools]
    first = {tool.name: run(tool, machine, changes=COUNT) for tool, machine in zip(tools, machines, strict=True)}
    if len({machine.state() for machine in machines}) > 1:
        raise RuntimeError("the tools left different states behind")
    for machine in machines[1:]:
        launcher.remove(machine)
    for peer in ("pyinfra", "Ansible"):
        yield faster(f"first apply of {COUNT}", first["amiforge"].seconds, peer, first[peer].seconds, least=1)
    yield from sessions(tools[0], ours, first["amiforge"].traffic)
    for trip in trips:
        yield from no_ops(tools, ours, runs, trip)


def no_ops(tools: Sequence[Tool], machine: Machine, runs: Mapping[str, int], trip: int) -> Iterator[Row]:
    """Measure what it costs to find nothing to do, at a round trip of so many milliseconds."""
    found: defaultdict[str, list[Applied]] = defaultdict(list)
    # in turns, so that whatever else this machine does disturbs all alike
    for turn in zip_longest(*([tool] * runs[tool.name] for tool in tools)):
        for tool in filter(None, turn):
            found[tool.name].append(run(tool, machine, trip=trip, changes=0))
    times = {name: median(one.seconds for one in each) for name, each in found.items()}
    for peer, least in BUDGETS[trip].items():
        yield faster(f"no-op apply of {COUNT}, RTT {trip} ms", times["amiforge"], peer, times[peer], least=least)
    peers = ", ".join(f"{name} {found[name][0].traffic.sessions}" for name in BUDGETS[trip])
    traffic = [one.traffic for one in found["amiforge"]]
    yield at_most(f"sessions, no-op, RTT {trip} ms", max(one.sessions for one in traffic), most=2, compared=peers)
    yield at_most(f"connections, no-op, RTT {trip} ms", max(one.connections for one in traffic), most=1)


def sessions(ours: Tool, machine: Machine, first: Traffic) -> Iterator[Row]:
    """Count what changes cost: all of them, and a few."""
    machine.root(DRIFT)
    few = run(ours, machine, changes=DRIFTED).traffic
    for changes, traffic in ((COUNT, first), (DRIFTED, few)):
        yield at_most(f"sessions, {changes} changes", traffic.sessions, most=2 * changes + 3)


def run(tool: Tool, machine: Machine, *, changes: int, trip: int = 0) -> Applied:
    """Run a tool once, and see that it changed what it should have."""
    mark = machine.mark()
    with reached(machine, trip) as place:
        finished = tool.run(place)
    if (changed := tool.changed(finished.output)) != changes:
        raise RuntimeError(f"{tool.name} changed {changed} resources instead of {changes}:\n{finished.output[-3000:]}")
    applied = Applied(finished.seconds, machine.traffic_since(mark))
    note = finished.output.splitlines()[-1] if isinstance(tool, Amiforge) else ""
    sys.stderr.write(f"  {tool.name}, RTT {trip} ms, {changes} changes: {applied} {note}\n")
    return applied


@contextmanager
def reached(machine: Machine, trip: int) -> Iterator[Place]:
    """Give the way to a machine that takes so many milliseconds there and back."""
    if not trip:
        yield Place(machine, machine.address)
        return
    with Forwarder(machine.address, 22, delay=trip / 2000) as forwarder:
        yield Place(machine, "127.0.0.1", forwarder.port)
