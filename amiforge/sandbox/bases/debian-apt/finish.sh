# What fetched this root is no setting of the machine, and its only archive is the sandbox's.
rm -f /etc/apt/apt.conf.d/99mmdebstrap /etc/dpkg/dpkg.cfg.d/99mmdebstrap /etc/apt/sources.list /etc/apt/trusted.gpg.d/*
