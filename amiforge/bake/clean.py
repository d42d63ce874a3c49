"""Wiping from an instance what must not be on an image: identity, ways in, traces of the bake.

The table below is data. One script goes through it in order and changes things, a second one goes through the same
table and only names what is there; it must name nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from amiforge.errors import CommandFailed, NotConverged
from amiforge.host.base import Host
from amiforge.shell import script


@dataclass(frozen=True, slots=True)
class Area:
    """One area to wipe.

    `text` is sh that says what must go, with four verbs, all of which do nothing where nothing is to be done:
    `stop UNIT…` until the next boot, `gone PATH…` away with all below it, `homes NAME…` the same in every home
    directory, `blank PATH…` an empty file remains. `$R` stands before every path; it is empty on a real host.
    """

    name: str
    why: str
    text: str


AREAS: tuple[Area, ...] = (
    Area(
        "quiesce",
        "services that write state between the wipe and the stop; stopped for this boot only",
        """
        stop apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service
        stop unattended-upgrades.service packagekit.service dnf-makecache.timer dnf-makecache.service
        stop snapd.service snapd.socket cron.service crond.service logrotate.timer man-db.timer fstrim.timer
        stop amazon-ssm-agent.service snap.amazon-ssm-agent.amazon-ssm-agent.service amazon-cloudwatch-agent.service
        stop docker.socket docker.service nvidia-dcgm.service nvidia-persistenced.service
        stop syslog.socket rsyslog.service systemd-random-seed.service
        stop_audit
        """,
    ),
    Area(
        "ssm agent",
        "clones of a registered agent share its identity",
        'gone "$R"/var/lib/amazon/ssm/* "$R"/var/log/amazon/ssm',
    ),
    Area(
        "docker",
        "clones of an engine share its identity",
        'gone "$R"/var/lib/docker/engine-id "$R"/etc/docker/key.json',
    ),
    Area(
        "cloud-init",
        "its semaphores would keep the first boot's user data, users and keys from being applied",
        """
        forget_boot
        gone "$R"/var/lib/cloud/instance "$R"/var/lib/cloud/instances/* "$R"/var/lib/cloud/data/*
        gone "$R"/var/lib/cloud/sem/* "$R"/var/log/cloud-init*.log
        """,
    ),
    Area(
        "caches",
        "size, and a faster snapshot",
        """
        gone "$R"/var/cache/dnf/* "$R"/var/cache/yum/* "$R"/var/cache/libdnf5/*
        gone "$R"/var/cache/apt/*.bin "$R"/var/cache/apt/archives/*.deb "$R"/var/cache/apt/archives/partial/*
        gone "$R"/var/lib/apt/lists/*
        gone "$R"/var/crash/* "$R"/var/lib/systemd/coredump/*
        homes .cache .npm/_cacache .ccache
        """,
    ),
    Area(
        "temporary files",
        "whatever the bake or its installers left behind",
        """
        gone "$R"/tmp/* "$R"/tmp/.[!.]* "$R"/var/tmp/* "$R"/var/tmp/.[!.]*
        gone "$R"/run/amiforge "$R"/var/cache/amiforge
        """,
    ),
    Area(
        "histories",
        "what was typed on the builder",
        """
        homes .bash_history .zsh_history .sh_history .python_history .lesshst .viminfo .wget-hsts
        """,
    ),
    Area(
        "credentials",
        "nothing that opens anything may be on an image",
        """
        homes .aws/credentials .aws/cli .aws/sso .netrc .git-credentials .docker/config.json .kaggle .ngc
        homes .config/gh .config/rclone .config/pip .config/ngc .pypirc .npmrc
        gone "$R"/etc/apt/auth.conf.d/* "$R"/etc/apt/auth.conf
        """,
    ),
    Area(
        "network",
        "leases and names of this very instance",
        """
        gone "$R"/var/lib/dhcp/*.leases "$R"/var/lib/dhclient/*.lease* "$R"/var/lib/NetworkManager/*.lease
        gone "$R"/var/lib/NetworkManager/secret_key "$R"/var/lib/NetworkManager/timestamps "$R"/var/lib/dhcpcd/*.lease
        gone "$R"/run/systemd/netif/leases/* "$R"/var/lib/systemd/network/*lease*
        gone "$R"/etc/udev/rules.d/70-persistent-net.rules
        """,
    ),
    Area(
        "logs",
        "another instance's past; files that services expect to find stay, empty",
        """
        journal
        logs
        """,
    ),
    Area(
        "random seed",
        "instances must not begin with the same entropy",
        'gone "$R"/var/lib/systemd/random-seed "$R"/var/lib/urandom/random-seed "$R"/boot/efi/loader/random-seed',
    ),
    Area(
        "machine id",
        "empty, not missing: a missing one makes systemd enable disabled services again (machine-id(5), first boot)",
        """
        blank "$R"/etc/machine-id
        [ -L "$R"/var/lib/dbus/machine-id ] || gone "$R"/var/lib/dbus/machine-id
        """,
    ),
    Area(
        "host keys",
        "instances would be mistaken for one another",
        'gone "$R"/etc/ssh/ssh_host_*_key "$R"/etc/ssh/ssh_host_*_key.pub',
    ),
    Area(
        "ways in",
        "the builder's key must not open what comes of the image; last, because nobody gets in any more",
        """
        homes .ssh/authorized_keys .ssh/authorized_keys2 .ssh/known_hosts .ssh/known_hosts.old
        homes .ssh/id_rsa .ssh/id_rsa.pub .ssh/id_ecdsa .ssh/id_ecdsa.pub .ssh/id_ed25519 .ssh/id_ed25519.pub
        gone "$R"/etc/ssh/authorized_keys.d/*
        """,
    ),
)

# $1 is `wipe` or `look`, $2 what stands before every path. A path with a line break in its name is left to `gone`'s
# globs; where names go through lines, such paths are left out rather than taken apart.
_VERBS = r"""
mode=$1 R=${2%/}
say() { printf '%s\t%s\n' "$area" "$1"; }
gone() {
  for path; do
    [ -e "$path" ] || [ -L "$path" ] || continue
    say "${path#"$R"}"
    [ "$mode" = look ] || rm -rf --one-file-system -- "$path"
  done
}
blank() {
  for path; do
    [ -s "$path" ] || continue
    say "${path#"$R"}"
    [ "$mode" = look ] || : >"$path"
  done
}
all_homes=$({ echo /root; cut -d: -f6 "$R/etc/passwd"; } | sort -u)
homes() {
  printf '%s\n' "$all_homes" | while IFS= read -r home; do
    case $home in /|'') continue;; esac
    for name; do gone "$R$home/$name"; done
  done
}
live() { [ -z "$R" ] && [ -d /run/systemd/system ]; }
stop() {
  live || return 0
  for unit; do
    systemctl is-active --quiet "$unit" || continue
    say "$unit"
    [ "$mode" = look ] || { systemctl mask --quiet --runtime "$unit"; systemctl stop "$unit"; } >/dev/null 2>&1
  done
}
stop_audit() {
  live && systemctl is-active --quiet auditd.service || return 0
  say auditd.service
  [ "$mode" = look ] || { kill "$(systemctl show -p MainPID auditd.service | cut -d= -f2)"; sleep 0.2; }
}
forget_boot() {
  [ -z "$R" ] && [ "$mode" = wipe ] && [ -e /var/lib/cloud/instance ] || return 0
  command -v cloud-init >/dev/null 2>&1 || return 0
  say 'cloud-init clean --logs'
  cloud-init clean --logs >/dev/null 2>&1
}
journal() {
  if live && [ "$mode" = wipe ] && [ -d /var/log/journal ]; then
    journalctl --relinquish-var >/dev/null 2>&1 || journalctl --rotate >/dev/null 2>&1
  fi
  gone "$R"/var/log/journal/*
}
logs() {
  [ -d "$R/var/log" ] || return 0
  find "$R/var/log" -xdev -path "$R/var/log/journal" -prune -o -type f ! -path '*
*' -print | while IFS= read -r path; do
    case $path in
      *.gz|*.xz|*.zst|*.bz2|*.old|*.[0-9]|*.[0-9][0-9]|*-[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]) gone "$path";;
      *) blank "$path";;
    esac
  done
}
"""

# What was deleted must be so on the disk, too, before its blocks are copied.
_END = """
area=end
[ "$mode" = look ] || { sync; [ -n "$R" ] || fstrim -a >/dev/null 2>&1; }
say ''
"""


def table_script(mode: Literal["wipe", "look"], root: str = "/") -> str:
    """Give the script that wipes every area below `root`, or names what is left of it."""
    areas = "\n".join(f"area='{area.name}'\n{area.text}" for area in AREAS)
    return script(f"{_VERBS}\n{areas}\n{_END}", mode, root).text()


def wipe(host: Host, timeout: float) -> int:
    """Wipe every area over the live connection, prove it, and tell how much there was to do.

    No new connection can be made afterwards.

    Raises:
        NotConverged: something is still there; names every path.
        CommandFailed: a script did not come to its end.
    """
    done = _walk(host, "wipe", timeout)
    left = _walk(host, "look", timeout)
    if left:
        raise NotConverged(
            f"{host.address} is not clean after the wipe", state="\n".join(f"{area}: {path}" for area, path in left)
        )
    return len(done)


def _walk(host: Host, mode: Literal["wipe", "look"], timeout: float) -> list[tuple[str, str]]:
    output = host.run(table_script(mode), timeout=timeout)
    lines = output.stdout.decode("utf-8", "surrogateescape").splitlines()
    rows = [(area, path) for area, tab, path in (line.partition("\t") for line in lines) if tab]
    if not rows or rows[-1][0] != "end":
        raise CommandFailed(
            f"the wipe of {host.address} did not come to its end (exit {output.status})",
            output=output.stderr.decode("utf-8", "replace")[-2000:],
        )
    return rows[:-1]
