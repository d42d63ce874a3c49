# The groups that Amazon Linux's default user is in.
groupadd --system --force wheel
mkdir -p /etc/yum.repos.d
chmod 0755 /usr/sbin/grubby
rpm --initdb
