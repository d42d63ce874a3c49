"""Runs what resources ask and change with a real shell on this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from amiforge.engine.frame import ask as ask_part
from amiforge.engine.plan import Item, Planned, assess
from amiforge.engine.query import Answer, Replies, merge, read
from amiforge.engine.resource import Change, Resource
from amiforge.shell import PRELUDE
from amiforge.systems.al2023 import AL2023
from amiforge.systems.system import System

SYSTEM = System(os=AL2023, container=True)

_PRIVATE = 'mount --bind "$1/etc" /etc && mount --bind "$1/boot" /boot && shift && exec "$@"'


def sh(text: str, shell: str = "sh", within: Sequence[str] = ()) -> Answer:
    """Run sh text as a host would: on standard input, after the prelude. `within` is a command that runs the shell."""
    words = [*within, shell, "-s"]
    done = subprocess.run(words, input=f"{PRELUDE}{text}\n".encode(), capture_output=True, check=False, timeout=60)
    return Answer(done.returncode, done.stdout, done.stderr)


def replies(
    resources: Sequence[Resource],
    system: System = SYSTEM,
    shell: str = "sh",
    prelude: str = "",
    within: Sequence[str] = (),
) -> Replies:
    """Ask all queries of some resources, merged as the engine merges them. `prelude` may change PATH."""
    questions = merge([query for resource in resources for query in resource.queries(system)])
    return read(questions, [sh(f"{prelude}\n{ask_part(question, 30).text}", shell, within) for question in questions])


def ask(
    resource: Resource,
    system: System = SYSTEM,
    shell: str = "sh",
    prelude: str = "",
    within: Sequence[str] = (),
) -> Planned:
    """Ask the machine about one resource and compare."""
    answers = replies([resource], system, shell, prelude, within) if resource.provable else Replies({})
    return assess(Item("test", resource), answers, system)


def run(change: Change, shell: str = "sh", prelude: str = "", within: Sequence[str] = ()) -> Answer:
    """Run a change's command."""
    return sh(f"{prelude}\n{change.command.text()}", shell, within)


def converge(planned: Planned, shell: str = "sh", prelude: str = "", within: Sequence[str] = ()) -> None:
    """Run all changes of a plan, and insist that each says yes."""
    for change in planned.changes:
        answer = run(change, shell, prelude, within)
        assert answer.status == 0, answer


def differing(planned: Planned) -> set[str]:
    """Give the keys that differ."""
    return {difference.key for difference in planned.differences}


def own_etc(folder: Path) -> tuple[str, ...]:
    """Give the command that runs another one with `etc` and `boot` of a folder in place of this machine's.

    Skips the test where that is not allowed.
    """
    for name in ("etc", "boot"):
        (folder / name).mkdir()
    for name in ("passwd", "group", "nsswitch.conf"):
        (folder / "etc" / name).write_bytes(Path("/etc", name).read_bytes())
    within = ("unshare", "--mount", "sh", "-c", _PRIVATE, "sh", str(folder))
    if os.geteuid() != 0 or subprocess.run([*within, "true"], check=False, capture_output=True).returncode:
        pytest.skip("gives a shell an /etc of its own, which takes root and unshare")
    return within


def programs(folder: Path, **scripts: str) -> str:
    """Put sh scripts into a folder of programs, and give the prelude by which they come first on the path."""
    folder.mkdir(exist_ok=True)
    for name, text in scripts.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)
    return f"PATH='{folder}':$PATH"
