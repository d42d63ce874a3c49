"""Waiting until a provisioned instance is at rest: nothing installs, builds modules or writes an initramfs any more."""

from __future__ import annotations

import time
from collections.abc import Callable

from amiforge.engine.locks import TIMED_OUT, wait_for
from amiforge.errors import CommandFailed, NotConverged
from amiforge.host.base import Host
from amiforge.systems import SYSTEMS

OnWait = Callable[[float, str], None]

# Names each thing that is still under way, with who does it. A process is known by the name that the kernel has for it,
# which ends after 15 letters. `unattended-upgrade-shutdown` waits for signals from boot on and does nothing until then.
_BUSY = r"""
if command -v cloud-init >/dev/null 2>&1; then
  case $(cloud-init status 2>/dev/null) in *'status: running'*) echo 'cloud-init runs' ;; esac
fi
for process in /proc/[0-9]*; do
  read -r name <"$process/comm" || continue
  case $name in
  apt|apt-get|dpkg|dnf|dnf-3|dnf5|yum|rpm|apt.systemd.dai) what='packages are installed' ;;
  unattended-upgr)
    case $(tr '\0' ' ' <"$process/cmdline") in *shutdown*) continue ;; esac
    what='unattended upgrades run' ;;
  dkms|dkms_autoinstal|weak-modules) what='kernel modules are built' ;;
  depmod) what='the list of kernel modules is written' ;;
  dracut|mkinitramfs|mkinitrd|update-initramf|kernel-install) what='an initramfs is written' ;;
  update-grub|grub-mkconfig|grub2-mkconfig) what='the boot menu is written' ;;
  *) continue ;;
  esac
  printf '%s: %s (pid %s)\n' "$what" "$name" "${process#/proc/}"
done 2>/dev/null
if command -v snap >/dev/null 2>&1; then
  snap changes 2>/dev/null | while read -r id status rest; do
    case $status in Do|Doing|Undo|Undoing|Wait) printf 'snap change %s is under way\n' "$id" ;; esac
  done
fi
if [ -d /run/systemd/system ]; then
  for word in $(systemctl list-units --no-legend --state=active,activating 'amiforge-job-*.service'); do
    case $word in amiforge-job-*.service) printf 'a job of amiforge runs: %s\n' "$word" ;; esac
  done
fi
:
"""

_LOCKS = tuple(dict.fromkeys(path for os in SYSTEMS for path in os.packages.locks))

_PAUSE = 0.5
#: Looks in a row that must find nothing: between two programs of one installation, none may run for a moment.
_QUIET = 2
#: How the wait for locks ends when one is held.
_LOCKED = 75
_TIMEOUT = 120.0


def quiesce(host: Host, deadline: float, on_wait: OnWait | None = None) -> None:
    """Wait until nothing on the instance is under way that changes what it boots or has installed.

    Args:
        host: the instance.
        deadline: seconds from now.
        on_wait: called after each look that found something, with the seconds so far and all of what it is.

    Raises:
        NotConverged: something still is at the deadline; names all of it, and who does it.
        CommandFailed: the instance could not be asked.
        HostError: it was not reached, or did not answer.
    """
    started, quiet = time.monotonic(), 0
    while True:
        busy = _busy(host)
        quiet = 0 if busy else quiet + 1
        if quiet == _QUIET:
            return
        waited = time.monotonic() - started
        if busy and waited > deadline:
            raise NotConverged(
                f"{host.address} does not come to rest within {deadline:g} s",
                state="\n".join(busy),
                fix="end what runs there, or raise bake.quiesce_deadline",
            )
        if busy and on_wait:
            on_wait(waited, "; ".join(busy))
        time.sleep(_PAUSE)


def _busy(host: Host) -> list[str]:
    output = host.run(f"{_BUSY}\n{wait_for(_LOCKS, 0).text()}", timeout=_TIMEOUT)
    lines = output.stdout.decode("utf-8", "replace").splitlines()
    if output.status not in {0, _LOCKED}:
        raise CommandFailed(
            f"{host.address} does not say what is under way on it",
            output=output.stderr.decode("utf-8", "replace")[-1000:],
        )
    return [line.removeprefix(TIMED_OUT).removesuffix(" for over 0 s").strip() for line in lines]
