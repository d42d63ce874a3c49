"""From a running instance to a connection to a machine that has finished booting."""

from __future__ import annotations

from dataclasses import dataclass, replace

from amiforge.bake.readiness import Condition, condition
from amiforge.bake.run import Login, Run
from amiforge.ec2.launch import console
from amiforge.ec2.poll import Wait, poll
from amiforge.errors import AuthRefused, BakeError, ConnectionLost, HostError, HostKeyMismatch, Unreachable
from amiforge.host.base import Host

#: To be expected while an instance boots: sshd is not there yet, cloud-init has not written the keys yet, or the image
#: reboots once by itself.
_EXPECTED = (Unreachable, AuthRefused, HostKeyMismatch, ConnectionLost)


#: Seconds between two tries at most: trying costs nobody anything, and a booting machine is soon there.
_PAUSE = 1.0


class _Late(BakeError):
    """Not raised to anybody: what was seen last is more to the point."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one try to connect came to."""

    condition: Condition | None = None
    error: HostError | None = None


def reach(run: Run, login: Login, instance_id: str) -> tuple[Host, Condition]:
    """Connect to an instance and wait until its boot is finished.

    Raises:
        HostError: no connection came about in time; carries the end of the instance's console.
        CommandFailed: cloud-init failed.
    """
    host, last = run.means.connect(login), [_Seen()]
    deadline = run.settings.reach_deadline
    pace = replace(run.clients.pace, longest=_PAUSE)

    def look() -> _Seen:
        try:
            host.connect()
            last[0] = _Seen(condition=condition(host, deadline))
        except _EXPECTED as error:
            host.close()
            last[0] = _Seen(error=error)
        return last[0]

    def progress(seen: _Seen) -> str | None:
        return seen.error.message if seen.error else None

    try:
        seen = poll(Wait(f"{host.address} to accept us", deadline, _Late), look, progress, pace)
    except _Late:
        error = last[0].error or Unreachable(f"{host.address} did not answer")
        raise error.add(console=console(run.clients, instance_id)) from None
    assert seen.condition is not None  # noqa: S101 - without an error there is a condition
    return host, seen.condition
