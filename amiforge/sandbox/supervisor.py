"""The process that boots one machine, boots it again when it reboots, and powers it off when asked.

Runs as `python -m amiforge.sandbox.supervisor FOLDER INSTANCE_ID READY_FD` in mount and pid namespaces of its own,
where it is process 1: when it ends, however it ends, the kernel kills every process of the machine and unmounts every
mount. SIGTERM asks for a clean power-off, SIGHUP for a clean reboot.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from amiforge.sandbox import cgroups
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.layers import overlay_options
from amiforge.sandbox.machine import Machine
from amiforge.sandbox.process import Process, children, is_init

# systemd-nspawn(1): what it exits with when the machine asked for a reboot.
REBOOTED = 133
# systemd(1), signals: what its process 1 is asked with for a clean power-off or reboot.
POWER_OFF = signal.SIGRTMIN + 4
REBOOT = signal.SIGRTMIN + 5
# An init that is still starting hears nothing, so it is asked again after so many seconds.
ASK_AGAIN = 1.0
IDLE = 3600.0
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}


@dataclass
class Supervisor:
    """Boots one machine until it powers off."""

    machine: Machine
    nspawn: int = 0
    wanted: int = 0

    def run(self, ready: int) -> None:
        """Boot, and boot again after each reboot; returns when the machine is off.

        `ready` is a pipe to who started us, told once that the machine runs. If nobody listens any more, that
        program was killed while it started the machine, and we end with an error, and the machine with us.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        mount(self.machine)
        cgroups.enter(self.machine.instance_id)
        self.nspawn = boot(self.machine)
        self.machine.note_state("running")
        os.write(ready, b"1")
        os.close(ready)
        while self.until_exit() == REBOOTED and self.wanted != POWER_OFF:
            self.wanted = 0
            self.nspawn = boot(self.machine)
        cgroups.leave()
        cgroups.remove(self.machine.instance_id)

    def until_exit(self) -> int:
        """Answer signals until nspawn ends; gives its exit status. Also reaps what the machine left to us."""
        while True:
            received = signal.sigtimedwait(SIGNALS, ASK_AGAIN if self.wanted else IDLE)
            number = received.si_signo if received else 0
            if number in {signal.SIGTERM, signal.SIGINT}:
                self.wanted = POWER_OFF
                self.machine.note_state("stopping")
            elif number == signal.SIGHUP:
                self.wanted = self.wanted or REBOOT
            for pid, status in reaped():
                if pid == self.nspawn:
                    return os.waitstatus_to_exitcode(status)
            if self.wanted:
                self.ask()

    def ask(self) -> None:
        """Ask the machine's init for what is wanted. What nspawn prepares the machine with would die of it."""
        for pid in children(self.nspawn):
            with suppress(OSError):
                if is_init(pid):
                    os.kill(pid, self.wanted)


def reaped() -> list[tuple[int, int]]:
    """Reap every child that has ended."""
    ended = []
    try:
        while (child := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(child)
    except ChildProcessError:
        pass
    return ended


def mount(machine: Machine) -> None:
    """Mount what the machine needs, in our own mount namespace."""
    options = overlay_options(machine.layers, machine.upper, machine.path / "work", base := machine.folder.path)
    root = machine.path / "root"
    for arguments in (
        ["proc", "/proc", "-t", "proc"],
        # nspawn keeps files about its machine in /run/systemd/nspawn. They shall end with it, like all else.
        ["tmpfs", "/run", "-t", "tmpfs", "-o", "mode=0755"],
        ["overlay", str(root), "-t", "overlay", "-o", options],
    ):
        subprocess.run(["mount", *arguments], check=True, cwd=base)


def boot(machine: Machine) -> int:
    """Start nspawn and give its pid. What the machine prints on its console is appended to console.log."""
    command = [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--directory={machine.path / 'root'}",
        f"--machine={machine.instance_id}",
        f"--hostname={machine.hostname}",
        f"--bind-ro={machine.path / 'seed'}:/run/sandbox",
        "--register=no",
        "--keep-unit",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=read-only",
        "--suppress-sync=yes",
    ]
    console = str(machine.path / "console.log")
    write = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawnp(
        command[0],
        command,
        {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, console, write, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsigmask=[],
    )


def main(folder: str, instance_id: str, ready: str) -> None:
    """Note who we are, then be the machine's supervisor."""
    # Asked before /proc is mounted anew, this is our pid as everybody outside knows it.
    own = Process.of("self")
    assert own is not None  # noqa: S101 - we run
    machine = Machine(Folder(Path(folder)), instance_id)
    machine.note_state("pending")
    own.write(machine.pid_file)
    os.set_inheritable(int(ready), False)
    Supervisor(machine).run(int(ready))


if __name__ == "__main__":
    main(*sys.argv[1:])
