"""Runs what resources ask and change with a real shell on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from amiforge.engine.frame import ask as ask_part
from amiforge.engine.plan import Item, Planned, assess
from amiforge.engine.query import Answer, Replies, merge, read
from amiforge.engine.resource import Change, Resource
from amiforge.shell import PRELUDE
from amiforge.systems.al2023 import AL2023
from amiforge.systems.system import System

SYSTEM = System(os=AL2023, container=True)


def sh(text: str, shell: str = "sh") -> Answer:
    """Run sh text as a host would: on standard input, after the prelude."""
    done = subprocess.run(
        [shell, "-s"], input=f"{PRELUDE}{text}\n".encode(), capture_output=True, check=False, timeout=60
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def replies(resources: Sequence[Resource], system: System = SYSTEM, shell: str = "sh", prelude: str = "") -> Replies:
    """Ask all queries of some resources, merged as the engine merges them. `prelude` may change PATH."""
    questions = merge([query for resource in resources for query in resource.queries(system)])
    return read(questions, [sh(f"{prelude}\n{ask_part(question, 30).text}", shell) for question in questions])


def ask(resource: Resource, system: System = SYSTEM, shell: str = "sh", prelude: str = "") -> Planned:
    """Ask the machine about one resource and compare."""
    answers = replies([resource], system, shell, prelude) if resource.provable else Replies({})
    return assess(Item("test", resource), answers, system)


def run(change: Change, shell: str = "sh", prelude: str = "") -> Answer:
    """Run a change's command."""
    return sh(f"{prelude}\n{change.command.text()}", shell)


def converge(planned: Planned, shell: str = "sh", prelude: str = "") -> None:
    """Run all changes of a plan, and insist that each says yes."""
    for change in planned.changes:
        answer = run(change, shell, prelude)
        assert answer.status == 0, answer


def differing(planned: Planned) -> set[str]:
    """Give the keys that differ."""
    return {difference.key for difference in planned.differences}
