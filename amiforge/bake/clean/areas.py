"""What must not be on an image, as data: identity, ways in, traces of the bake."""

from __future__ import annotations

from dataclasses import dataclass

from amiforge.ec2.user_data import DISARMED


@dataclass(frozen=True, slots=True)
class Area:
    """One area to wipe.

    `text` is sh that says what must go, with the verbs of `amiforge.bake.clean.text`, all of which do nothing where
    nothing is to be done: `stop UNIT…` until the next boot, `gone PATH…` away with all below it, `homes NAME…` the same
    in every home directory (patterns in quotes), `blank PATH…` an empty file remains. `$R` stands before every path; it
    is empty on a real host. What lies in /run needs no area: it is memory, and gone with the power.

    Attributes:
        closing: people get in through it, so it goes when everything else is proven, and is put back when its own
            absence cannot be.
        lasting: no boot makes it anew, so a fresh instance of the image has none of it either.
    """

    name: str
    why: str
    text: str
    closing: bool = False
    lasting: bool = False


AREAS: tuple[Area, ...] = (
    Area(
        "quiesce",
        "services that write state between the wipe and the power-off; stopped for this boot only",
        """
        stop apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service
        stop unattended-upgrades.service packagekit.service dnf-makecache.timer dnf-makecache.service
        stop snapd.service snapd.socket snapd.snap-repair.timer cron.service crond.service atd.service
        stop logrotate.timer man-db.timer fstrim.timer motd-news.timer update-notifier-download.timer
        stop sysstat-collect.timer sysstat-summary.timer sysstat.service atop.service kdump.service
        stop amazon-cloudwatch-agent.service kubelet.service docker.socket docker.service containerd.service
        stop nvidia-dcgm.service nvidia-fabricmanager.service nvidia-persistenced.service
        stop syslog.socket rsyslog.service systemd-random-seed.service systemd-update-utmp.service
        stop_audit
        """,
    ),
    Area("dead-man switch", "a builder's timer must not power off what comes of the image", "switch_off"),
    Area(
        "cloudwatch agent",
        "clones would go on where the builder's agent stopped reading",
        """
        gone "$R"/opt/aws/amazon-cloudwatch-agent/logs/state/*
        blank "$R"/opt/aws/amazon-cloudwatch-agent/logs/*.log
        """,
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
        gone "$R"/var/lib/apt/lists/* "$R"/var/cache/PackageKit/* "$R"/var/lib/snapd/cache/*
        gone "$R"/var/lib/dpkg/*-old "$R"/var/cache/debconf/*-old
        homes .cache .npm/_cacache .ccache .conda/pkgs
        for conda in "$R"/opt/*conda* "$R"/opt/miniforge* "$R"/root/*conda* "$R"/home/*/*conda*; do
          gone "$conda"/pkgs/*.conda "$conda"/pkgs/*.tar.bz2 "$conda"/pkgs/cache
        done
        """,
    ),
    Area(
        "dumps",
        "memory of programs that crashed, with whatever they knew",
        """
        gone "$R"/var/crash/* "$R"/var/lib/systemd/coredump/* "$R"/var/lib/apport/coredump/* "$R"/core "$R"/core.[0-9]*
        gone "$R"/boot/initramfs-*kdump.img
        homes core 'core.[0-9]*'
        """,
    ),
    Area(
        "build trees",
        "what installers and module builds leave behind; sources in /usr/src and /usr/local/src stay",
        """
        gone "$R"/var/lib/dkms/*/*/build
        gone "$R"/usr/local/src/NVIDIA-Linux-*.run "$R"/usr/local/src/cuda_*.run
        homes 'NVIDIA-Linux-*.run' 'cuda_*_linux*.run' aws-efa-installer 'aws-efa-installer-*.tar.gz'
        """,
        lasting=True,
    ),
    Area(
        "temporary files",
        "whatever the bake or its installers left behind",
        """
        gone "$R"/tmp/* "$R"/tmp/.[!.]* "$R"/var/tmp/* "$R"/var/tmp/.[!.]*
        """,
    ),
    Area(
        "amiforge",
        "its own downloads, and files that it did not finish writing",
        """
        gone "$R"/var/cache/amiforge
        unfinished
        """,
        lasting=True,
    ),
    Area(
        "histories",
        "what was typed on the builder",
        """
        homes .bash_history .zsh_history .sh_history .python_history .node_repl_history .lesshst .viminfo .wget-hsts
        homes .mysql_history .psql_history .sqlite_history .sudo_as_admin_successful
        """,
        lasting=True,
    ),
    Area(
        "credentials",
        "nothing that opens anything may be on an image",
        """
        homes .aws/credentials .aws/cli .aws/sso .aws/login .netrc .git-credentials .docker/config.json .kaggle .ngc
        homes .config/gh .config/rclone .config/pip .config/ngc .config/gcloud .config/containers/auth.json
        homes .pip .pypirc .npmrc .huggingface/token .vault-token .pgpass .my.cnf .s3cfg .boto .azure
        homes .terraform.d/credentials.tfrc.json .gnupg/private-keys-v1.d .local/share/keyrings
        gone "$R"/etc/apt/auth.conf.d/* "$R"/etc/apt/auth.conf
        """,
        lasting=True,
    ),
    Area(
        "network",
        "leases and names of this very instance",
        """
        gone "$R"/var/lib/dhcp/*.leases "$R"/var/lib/dhclient/*.lease* "$R"/var/lib/NetworkManager/*.lease
        gone "$R"/var/lib/NetworkManager/secret_key "$R"/var/lib/NetworkManager/timestamps "$R"/var/lib/dhcpcd/*.lease
        gone "$R"/var/lib/systemd/network/*lease* "$R"/etc/udev/rules.d/70-persistent-net.rules
        own_hostname
        resolver
        network_of_this_instance
        """,
    ),
    Area(
        "mounts",
        "other instance types have other disks, and one that is missing stops the boot; cloud-init finds them anew",
        "mounts_of_this_instance",
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
        """
        gone "$R"/var/lib/systemd/random-seed "$R"/var/lib/urandom/random-seed
        gone "$R"/boot/efi/loader/random-seed "$R"/boot/loader/random-seed "$R"/efi/loader/random-seed
        """,
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
        "ssm agent",
        "clones of a registered agent share its identity",
        """
        stop amazon-ssm-agent.service snap.amazon-ssm-agent.amazon-ssm-agent.service
        gone "$R"/var/lib/amazon/ssm/* "$R"/var/log/amazon/ssm
        """,
        closing=True,
    ),
    Area(
        "disarmed switch",
        "the flag that keeps a builder's dead-man switch off must not do so for what comes of the image",
        f'gone "$R"{DISARMED}',
        closing=True,
        lasting=True,
    ),
    Area(
        "host keys",
        "instances would be mistaken for one another",
        'gone "$R"/etc/ssh/ssh_host_*_key "$R"/etc/ssh/ssh_host_*_key.pub',
        closing=True,
    ),
    Area(
        "default user",
        "what cloud-init allowed the builder's user; it does so anew for the image's",
        'unless_told nothing && gone "$R"/etc/sudoers.d/90-cloud-init-users',
        closing=True,
    ),
    Area(
        "ways in",
        "the builder's key must not open what comes of the image; last, because nobody gets in any more",
        """
        homes .ssh/authorized_keys .ssh/authorized_keys2 .ssh/known_hosts .ssh/known_hosts.old '.ssh/id_*'
        gone "$R"/etc/ssh/authorized_keys.d/*
        """,
        closing=True,
    ),
)
