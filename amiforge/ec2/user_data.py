"""What an instance is told for its first boot: its host key, and to power itself off when nobody looks after it."""

from __future__ import annotations

import json

from amiforge.ec2.key_pair import KeyPair

#: Stands on a builder between its disarming and the end of its clean, so that a boot in between arms nothing.
DISARMED = "/var/lib/amiforge-disarmed"

#: Every unit of the switch is called so; a part that differs from arming to arming follows.
DEAD_MAN = "amiforge-dead-man"

# A transient timer lives in /run and is gone with the machine, so no image has it. The new one is there before the old
# one goes; the lock keeps two who renew at once from stopping each other's. Options are those of systemd 219.
ARM = rf"""
mkdir -p /run/amiforge && exec 9>/run/amiforge/dead-man.lock && flock 9 || exit
read -r id </proc/sys/kernel/random/uuid
new={DEAD_MAN}-$id
systemd-run --quiet --unit="$new" --description='amiforge: power off unless renewed' \
  --on-active="$1" --timer-property=AccuracySec=1s systemctl --ignore-inhibitors poweroff 9>&- || exit
for word in $(systemctl list-units --all --no-legend '{DEAD_MAN}-*.timer'); do
  case $word in "$new.timer") ;; {DEAD_MAN}-*.timer) systemctl stop "$word" ;; esac
done
"""

# systemd-run waits for the timer, the timer for targets, and these for cloud-init: so cloud-init must not wait for it.
# One that finds no service manager to talk to yet tries again.
_AT_BOOT = rf"""
[ -d /run/systemd/system ] && [ ! -e {DISARMED} ] || exit 0
(for try in 1 2 3 4 5 6 7 8 9; do ! ( {ARM} ) || break; sleep 5; done) </dev/null >/dev/null 2>&1 &
"""


def first_boot(host_key: KeyPair, dead_man_seconds: float) -> str:
    """Give cloud-init user data that pins the host key, and arms the dead-man switch at each boot.

    A key of ours becomes the instance's one host key, so that we know it beforehand. The switch powers the instance
    off after so many seconds, unless it is renewed; `bootcmd` sets it again whenever the instance boots.

    Source: cloud-init documentation, modules "SSH" (`ssh_keys`, `ssh_deletekeys`) and "Bootcmd". JSON is YAML, too.
    """
    config = {
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": host_key.private.reveal(), "ed25519_public": host_key.public},
        "bootcmd": [["sh", "-c", _AT_BOOT, "sh", f"{dead_man_seconds:.0f}"]],
    }
    return f"#cloud-config\n{json.dumps(config)}\n"
