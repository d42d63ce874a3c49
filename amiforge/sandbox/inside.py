"""Scripts of ours that run inside a machine, as root and past its sshd, and hold something until they are let go."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, cast

from amiforge.errors import SandboxUnavailable
from amiforge.sandbox.machine import Machine
from amiforge.sandbox.process import Process, children, is_init

_ENVIRONMENT = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C")
_HOLD = "hold() { echo held; read -r _ || :; }\n"
#: Seconds that a script gets to take back what it did.
_UNDO = 30.0


@contextmanager
def held(machine: Machine, script: str, *arguments: str) -> Iterator[None]:
    """Run a `sh -eu` script until its line `hold`, then what follows at the end.

    `hold` waits until it is let go, also by the death of this process. When the machine ends or reboots, the script
    ends with it.

    Raises:
        SandboxUnavailable: the machine does not run, or the script ended before it came to its `hold`.
    """
    with subprocess.Popen(
        [*_enter(machine), *_ENVIRONMENT, "sh", "-eu", "-c", _HOLD + script, "sh", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said: list[str] = []
        for line in cast("IO[str]", process.stdout):
            if line == "held\n":
                break
            said.append(line)
        else:
            raise SandboxUnavailable(f"a script inside {machine.instance_id} failed", output="".join(said))
        try:
            yield
        finally:
            with suppress(subprocess.TimeoutExpired, OSError):
                process.communicate(timeout=_UNDO)  # closes its standard input: that lets it go


def run(machine: Machine, script: str, *arguments: str) -> None:
    """Run a `sh -eu` script to its end.

    Raises:
        SandboxUnavailable: the machine does not run, or the script failed.
    """
    with held(machine, f"{script}\nhold", *arguments):
        pass


def _enter(machine: Machine) -> list[str]:
    return ["nsenter", f"--target={_init(machine)}", "--mount", "--uts", "--ipc", "--pid", "--root", "--wd", "--"]


def _init(machine: Machine) -> int:
    """Give the pid of the machine's process 1: the supervisor's child is nspawn, whose child it is."""
    supervisor = Process.read(machine.pid_file)
    with suppress(OSError):
        for nspawn in children(supervisor.pid) if supervisor and supervisor.alive else ():
            for child in children(nspawn):
                if is_init(child):
                    return child
    raise SandboxUnavailable(f"{machine.instance_id} does not run")
