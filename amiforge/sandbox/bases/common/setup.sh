# Runs once, as root, in a chroot of the new root with `files/` not yet copied.

# A container shares its host's kernel; /usr/bin/uname tells which one this machine would have booted.
dpkg-divert --local --rename --divert /usr/bin/uname.real --add /usr/bin/uname >/dev/null

# Like an image on sale: no identity, no caches.
rm -f /etc/ssh/ssh_host_*
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
ln -s /etc/machine-id /var/lib/dbus/machine-id
echo localhost >/etc/hostname
ln -sf /run/sandbox/resolv.conf /etc/resolv.conf
rm -rf /var/cache/apt/* /var/lib/apt/lists/* /var/log/apt /var/log/*.log
mkdir -p /boot

# No terminal, no network configuration and no device events here.
systemctl --quiet mask \
    getty.target console-getty.service systemd-pstore.service systemd-networkd.service \
    cloud-init-hotplugd.socket cloud-init-hotplugd.service
# Upkeep of Debian's packages and of disks is not this machine's affair.
systemctl --quiet disable \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
