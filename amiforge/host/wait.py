"""Waiting for a machine that is booting."""

from __future__ import annotations

import time
from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from amiforge.errors import AuthRefused, ConnectionLost, HostError, HostKeyMismatch, SudoRefused, Unreachable
from amiforge.host.base import Host

OnWait = Callable[[float, str], None]

#: What a booting machine does before cloud-init has written host key, user, the user's key and the sudo rule.
_NOT_YET = (Unreachable, HostKeyMismatch, AuthRefused, ConnectionLost, SudoRefused)


def wait_for_ssh(host: Host, deadline: float, *, pause: float = 0.5, on_wait: OnWait | None = None) -> None:
    """Connect to a machine that is booting, and see that it runs a command as root.

    Args:
        host: the machine.
        deadline: seconds from now.
        pause: seconds between two tries.
        on_wait: called after each try that failed, with the seconds so far and the reason.

    Raises:
        HostError: the deadline is over; the last reason, as `Unreachable`, `AuthRefused` or `HostKeyMismatch`.
    """
    started = time.monotonic()

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if on_wait and isinstance(error, HostError):
            on_wait(time.monotonic() - started, error.lines.get("reason") or error.message)

    retrying = Retrying(
        retry=retry_if_exception_type(_NOT_YET),
        stop=stop_after_delay(deadline),
        wait=wait_fixed(pause),
        before_sleep=tell,
        reraise=True,
    )
    try:
        retrying(_try, host)
    except _NOT_YET as error:
        error.add(waited=f"{time.monotonic() - started:.0f} s of {deadline:g} s")
        raise


def _try(host: Host) -> None:
    host.connect()
    host.run(":")
