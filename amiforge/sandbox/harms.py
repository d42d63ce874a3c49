"""What can happen to a machine: each by what really happens in it, never by pretending."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MappingProxyType

from amiforge.sandbox.faults import Harm, HarmName
from amiforge.sandbox.forwarder import Forwarder
from amiforge.sandbox.inside import held, run
from amiforge.sandbox.machine import Machine

# The directories that stand for the root file system: what lies on a machine's disk, apart from mount points.
_DISK = "/etc /usr /var /opt /root /home /srv"

_SSHD_GONE = """
systemctl stop ssh.service
pkill -KILL -x sshd || :
hold
systemctl start ssh.service
"""
# Every sshd stops to answer, and what runs under it goes on: so does a machine behind a link that has gone silent.
_SILENT = """
pkill -STOP -x sshd
hold
pkill -CONT -x sshd
"""
_CUT = """
listening=$(systemctl show --property=MainPID --value ssh.service)
for pid in $(pgrep -x sshd); do
    [ "$pid" = "$listening" ] || kill -KILL "$pid" || :
done
"""
# A file system of its own, small, takes every write; what was there before is seen through it.
_FULL = f"""
at=/run/full-disk
mkdir -p "$at"
mount -t tmpfs -o "size=$1,mode=0755" full-disk "$at"
for path in {_DISK}; do
    mkdir -p "$at$path/upper" "$at$path/work"
    mount -t overlay -o "lowerdir=$path,upperdir=$at$path/upper,workdir=$at$path/work" full-disk "$path"
done
hold
for path in {_DISK} "$at"; do umount -l "$path"; done
"""
_READ_ONLY = f"""
for path in {_DISK}; do
    mount --bind "$path" "$path"
    mount -o remount,bind,ro "$path"
done
hold
for path in {_DISK}; do umount -l "$path"; done
"""
# fcntl(2) locks, as rpm and dpkg take them; sh has none.
_LOCK = """
exec python3 -c '
import fcntl, os, sys
files = [open(path, "a") for path in sys.argv[1:] if os.path.isdir(os.path.dirname(path))]
for file in files:
    fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
' /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock
"""
_HELD = MappingProxyType(
    {
        "sshd-gone": _SSHD_GONE,
        "silent-link": _SILENT,
        "full-disk": _FULL,
        "read-only": _READ_ONLY,
        "lock": _LOCK,
    }
)
#: Harms that are over at once.
MOMENTARY: frozenset[HarmName] = frozenset({"reboot", "interruption", "cut-link"})
_PAGE = 4096


class Patient:
    """A machine that harms happen to."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._link: Forwarder | None = None

    def suffer(self, harm: Harm) -> AbstractContextManager[None]:
        """Let a harm happen, and last until the end of the context.

        Raises:
            SandboxUnavailable: it could not be done, for example because the machine does not run.
        """
        match harm.harm:
            case "reboot":
                self._machine.reboot()
                return nullcontext()
            case "cut-link":
                run(self._machine, _CUT)
                return nullcontext()
            case "slow-link":
                return self._slow(harm.rate)
            case name:
                return held(self._machine, _HELD[name], str(max(_PAGE, harm.room)))

    @property
    def address(self) -> str:
        """Where its sshd itself listens."""
        return _behind(self._machine.address) if self._link else self._machine.address

    def close(self) -> None:
        """End what was put in front of it."""
        if self._link:
            self._link.close()

    @contextmanager
    def _slow(self, rate: int) -> Iterator[None]:
        link = self._link = self._link or self._put_in_front(rate)
        link.rate = rate
        yield
        link.rate = 0

    def _put_in_front(self, rate: int) -> Forwarder:
        """Let sshd listen elsewhere, and a forwarder where it did; a machine that is off does so at its boot."""
        machine = self._machine
        behind = _behind(machine.address)
        machine.move_sshd(behind)
        if machine.state != "stopped":
            run(machine, "systemctl restart ssh.service\n" + _CUT)
        return Forwarder(behind, 22, listen=(machine.address, 22), rate=rate)


def _behind(address: str) -> str:
    """Give an address of the machine's own that nobody else knows: 127.3.0.7 for 127.1.0.7."""
    first, second, rest = address.split(".", 2)
    return f"{first}.{int(second) + 2}.{rest}"
