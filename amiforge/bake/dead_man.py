"""The dead-man switch: a builder powers itself off when nobody has renewed its timer for a while.

Its shutdown behaviour is `terminate` for as long as the switch is armed, so whatever becomes of us, it costs nothing
in the end. User data arms it at each boot (`amiforge.ec2.user_data`); we renew it while we live.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from amiforge.ec2.user_data import ARM, DEAD_MAN, DISARMED
from amiforge.errors import AmiforgeError, CommandFailed, NotConverged
from amiforge.host.base import Host
from amiforge.shell import script

_RENEW = rf"""
({ARM}) || exit
rm -f {DISARMED}
for try in 1 2 3 4 5 6 7 8 9; do
  systemctl --quiet is-active '{DEAD_MAN}-*.timer' && exit
  sleep 0.2
done
echo 'no timer is active' >&2
exit 1
"""

# A stopped transient unit is forgotten a moment later. The flag outlives a reboot, whose user data would arm anew; the
# clean removes it as one of the last things.
_DISARM = rf"""
: >{DISARMED} && sync || exit
mkdir -p /run/amiforge && exec 9>/run/amiforge/dead-man.lock && flock 9 || exit
units() {{
  for word in $(systemctl list-units --all --no-legend '{DEAD_MAN}-*'); do
    case $word in {DEAD_MAN}-*.timer|{DEAD_MAN}-*.service) echo "$word" ;; esac
  done
}}
for try in 1 2 3 4 5 6 7 8 9; do
  left=$(units)
  [ -n "$left" ] || break
  systemctl stop $left
  systemctl reset-failed $left
  sleep 0.2
done 2>/dev/null
units
find /etc/systemd /usr/lib/systemd /lib/systemd /usr/local/lib/systemd /var/lib/systemd /run/systemd \
  -name '{DEAD_MAN}*' 2>/dev/null
exit 0
"""

_TIMEOUT = 60.0

Tell = Callable[[str], None]


def renew(host: Host, seconds: float) -> None:
    """Give the builder so many seconds from now until it powers itself off; a switch that is off is armed.

    Raises:
        CommandFailed: the timer could not be set; an older one still runs.
        HostError: the builder was not reached, or did not answer.
    """
    output = host.run(script(_RENEW, f"{seconds:.0f}").text(), timeout=_TIMEOUT)
    if output.status:
        raise CommandFailed(
            f"the dead-man switch of {host.address} could not be renewed",
            output=output.stderr.decode("utf-8", "replace")[-1000:],
            fix="see `systemctl list-timers --all` there",
        )


def disarm(host: Host) -> None:
    """Take the switch away, also for boots to come, and prove that neither a unit nor a file of it is there.

    Raises:
        NotConverged: something of it is; names it.
        CommandFailed: the builder did not get as far as that.
        HostError: the builder was not reached, or did not answer.
    """
    output = host.run(script(_DISARM).text(), timeout=_TIMEOUT)
    if output.status:
        raise CommandFailed(
            f"the dead-man switch of {host.address} could not be taken away",
            output=output.stderr.decode("utf-8", "replace")[-1000:],
        )
    if left := output.stdout.decode("utf-8", "replace").strip():
        raise NotConverged(f"the dead-man switch of {host.address} is still there", state=left)


@contextmanager
def renewing(connect: Callable[[], Host], seconds: float, tell: Tell) -> Iterator[None]:
    """Renew the switch every quarter of its time, over a connection of its own, for as long as the context lasts.

    When the context ends in order, no renewal comes any more. One that ends with an error does not wait for that.

    Args:
        connect: gives the builder as a host; opening the connection is done here, and again after it was lost.
        seconds: what each renewal gives the builder.
        tell: called with a sentence for each renewal that failed, from another thread. A failure is not the end: a
            builder that reboots cannot be reached for a while.
    """
    over = threading.Event()
    thread = threading.Thread(
        target=_renew_until, args=(over, connect, seconds, tell), name="amiforge-dead-man", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
    thread.join()


def _renew_until(over: threading.Event, connect: Callable[[], Host], seconds: float, tell: Tell) -> None:
    host: Host | None = None
    last, pause = time.monotonic(), seconds / 4
    while not over.wait(pause):
        try:
            host = host or connect()
            host.connect()
            renew(host, seconds)
            last, pause = time.monotonic(), seconds / 4
        except Exception as error:  # noqa: BLE001 - nobody renews any more when this thread ends
            _close(host)
            host, pause = None, seconds / 16
            reason = error.message if isinstance(error, AmiforgeError) else f"{type(error).__name__}: {error}"
            left = max(0.0, last + seconds - time.monotonic())
            tell(f"the builder powers itself off in {left:.0f} s unless its dead-man switch is renewed: {reason}")
    _close(host)


def _close(host: Host | None) -> None:
    if host is not None:
        host.close()
