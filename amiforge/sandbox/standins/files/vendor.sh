#!/bin/sh
# Stand-in for how vendors put on their images what is in no package, made by the amiforge sandbox. It runs while a
# source image is made, with the mirror at /mnt: `vendor driver VERSION` is NVIDIA's installer, `vendor efa VERSION` the
# record of the EFA installer, whose packages are there already.
set -eu
case $1 in
driver)
    # the kernel that this image will boot, which `uname` tells from here
    default=$(grubby --default-kernel 2>/dev/null) || default=$(readlink /boot/vmlinuz)
    echo "${default##*vmlinuz-}" >/run/sandbox-kernel
    sh "/mnt/us.download.nvidia.com/tesla/$2/NVIDIA-Linux-x86_64-$2.run" --silent --dkms --disable-nouveau -m=kernel-open
    rm -f /run/sandbox-kernel /var/log/nvidia-installer.log
    ;;
efa)
    mkdir -p /opt/amazon
    {
        echo "# EFA installer version: $2"
        echo "# Debug packages installed: no"
        echo "# Packages installed:"
        if [ -e /etc/debian_version ] && [ ! -e /etc/system-release ]; then
            dpkg-query -W -f '${Package}_${Version} ' 'efa*' 'libfabric*' 'openmpi*' libnccl-ofi rdma-core \
                'libib*' 'ibverbs*' 'librdmacm*' 'rdmacm*' infiniband-diags 2>/dev/null || :
        else
            rpm -qa 'efa*' 'openmpi*-aws' libfabric-aws libnccl-ofi 'rdma-core*' 'libib*' 'librdmacm*' infiniband-diags |
                tr '\n' ' '
        fi
        echo
    } >/opt/amazon/efa_installed_packages
    ;;
*)
    echo "vendor: no such thing: $1" >&2
    exit 1
    ;;
esac
