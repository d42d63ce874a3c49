"""Whether an instance has finished booting, and what it looks like then."""

from __future__ import annotations

import re
from dataclasses import dataclass

from amiforge.errors import CommandFailed, FactUnreadable, NotConverged
from amiforge.host.base import Host
from amiforge.systems.facts import DEFAULT_KERNEL

# `cloud-init status --wait` ends with 0, 1 (error) or, since 23.4, 2 (recoverable error). `is-system-running --wait`
# is missing in Amazon Linux 2's systemd, hence the loop. On a builder that was cleaned cloud-init would wait for ever:
# its links in /run lead to records that are gone.
_CONDITION = r"""
say() { printf '%s\t%s\n' "$1" "$2"; }
cleaned() { [ -L /run/cloud-init/$1.json ] && [ ! -e /run/cloud-init/$1.json ]; }
if command -v cloud-init >/dev/null 2>&1 && ! { cleaned status && cleaned result; }; then
  cloud-init status --wait >/dev/null 2>&1
  say cloud-init $?
  cloud-init status --long 2>/dev/null | while IFS= read -r line; do say detail "$line"; done
fi
if [ -d /run/systemd/system ]; then
  while state=$(systemctl is-system-running 2>/dev/null); case $state in initializing|starting) ;; *) false;; esac; do
    sleep 0.2
  done
  say system "$state"
  systemctl list-units --state=failed --no-legend --plain | while read -r unit _; do say failed "$unit"; done
fi
say boot "$(cat /proc/sys/kernel/random/boot_id)"
say machine "$(cat /etc/machine-id 2>/dev/null)"
for key in /etc/ssh/ssh_host_*_key.pub; do
  [ -f "$key" ] || continue
  read -r _ blob _ <"$key" || :  # cloud-init leaves out the last newline
  say host-key "$blob"
done
cut -d: -f6 /etc/passwd | sort -u | while IFS= read -r home; do
  for file in "$home"/.ssh/authorized_keys "$home"/.ssh/authorized_keys2; do
    [ -f "$file" ] && while IFS= read -r line || [ -n "$line" ]; do say authorized "$line"; done <"$file"
  done
done
say end ''
"""

# What would make an image of this instance a bad one. `dkms status` writes `name/version, kernel, arch: installed`, and
# before version 3 `name, version, kernel, arch: installed`. A device that is named by its place in fstab is another
# one, or none, on other instance types.
_PROBLEMS = rf"""
{DEFAULT_KERNEL}
running=$(uname -r)
if [ -n "$default" ] && [ "$default" != "$running" ]; then
  printf 'the next boot takes kernel %s, while %s runs: nothing was tried on it\n' "$default" "$running"
fi
tab=$(printf '\t')
if command -v dkms >/dev/null 2>&1; then
  dkms status 2>/dev/null | while IFS= read -r line; do
    case $line in *': installed'*|'') ;; *) printf 'kernel module is not built: %s\n' "$line";; esac
  done
  built=$(dkms status 2>/dev/null | sed -n "s/^\(.*\), \([^,]*\), [^,]*: installed.*/\1$tab\2/p")
  [ -z "$built" ] || [ -z "$default" ] || printf '%s\n' "$built" | cut -f1 | sort -u | while IFS= read -r module; do
    printf '%s\n' "$built" | grep -qxF -- "$module$tab$default" ||
      printf 'kernel module %s is not built for %s, which the next boot takes\n' "$module" "$default"
  done
fi
free=$(df -Pk / | awk 'NR == 2 {{ print $4 }}')
[ "$free" -ge 102400 ] || printf 'only %s KiB are free on /\n' "$free"
for flag in /run/reboot-required /var/run/reboot-required; do
  [ -e "$flag" ] && {{ printf 'a reboot is still required: %s exists\n' "$flag"; break; }}
done
[ ! -r /etc/fstab ] || while read -r device place kind options rest; do
  case $device:$options in
  /dev/nvme*:*nofail*|/dev/xvd*:*nofail*|/dev/sd*:*nofail*) ;;
  /dev/nvme*|/dev/xvd*|/dev/sd*)
    [ "$place" = / ] || printf 'other instance types may not boot: /etc/fstab wants %s without nofail\n' "$device" ;;
  esac
done </etc/fstab
:
"""


@dataclass(frozen=True, slots=True)
class Condition:
    """A booted instance: how its boot ended, and what tells it from every other one.

    `cloud_init` is 0, 2 (it recovered from errors) or None (there is none, or its records were wiped); `failed` names
    units that failed; `host_keys` are the public keys' base64 parts, `authorized` the lines of all authorized_keys
    files; `notes` are what cloud-init says of its errors.
    """

    cloud_init: int | None
    state: str
    failed: frozenset[str]
    boot_id: str
    machine_id: str
    host_keys: frozenset[str]
    authorized: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        notes = ["cloud-init recovered from errors"] if self.cloud_init else []
        notes += [f"failed: {', '.join(sorted(self.failed))}"] if self.failed else []
        return "; ".join(notes) or self.state or "ready"


def condition(host: Host, timeout: float) -> Condition:
    """Wait until cloud-init and the service manager have finished, and say how that went.

    Raises:
        CommandFailed: cloud-init ended in an error it could not recover from.
        CommandTimedOut: it takes longer than `timeout` seconds.
        FactUnreadable: the answer is not complete.
    """
    output = host.run(_CONDITION, timeout=timeout)
    pairs = [line.split("\t", 1) for line in output.stdout.decode("utf-8", "replace").splitlines() if "\t" in line]
    said: dict[str, list[str]] = {}
    for name, value in pairs:
        said.setdefault(name, []).append(value)
    status = said.get("cloud-init", [""])[0]
    whole = {"end", *(() if status == "1" else ("boot", "machine"))}
    if not whole <= said.keys() or not re.fullmatch("[0-9]{0,3}", status):
        raise FactUnreadable(
            f"{host.address} did not say how its boot went", stderr=output.stderr.decode("utf-8", "replace")[-1000:]
        )
    if status == "1":
        raise CommandFailed(
            f"cloud-init ended in an error on {host.address}",
            output="\n".join(said.get("detail", [])),
            fix="see /var/log/cloud-init-output.log there; --on-failure keep leaves it running",
        )
    return Condition(
        cloud_init=int(status) if status else None,
        state=said.get("system", [""])[0],
        failed=frozenset(said.get("failed", [])),
        boot_id=said["boot"][0],
        machine_id=said["machine"][0],
        host_keys=frozenset(said.get("host-key", [])),
        authorized=tuple(said.get("authorized", [])),
        notes=tuple(said.get("detail", [])) if status not in {"", "0"} else (),
    )


def refuse_unfit(host: Host, timeout: float, before: Condition) -> None:
    """Make sure that a provisioned instance is fit to become an image.

    Units that failed before anything was done to the instance are the source image's own affair.

    Raises:
        NotConverged: it is not; names everything that is wrong.
    """
    now = condition(host, timeout)
    problems = host.run(_PROBLEMS, timeout=timeout).stdout.decode("utf-8", "replace").splitlines()
    problems += [f"unit {unit} has failed" for unit in sorted(now.failed - before.failed)]
    if problems:
        raise NotConverged(f"{host.address} is not fit to become an image", state="\n".join(problems))
