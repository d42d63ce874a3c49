#!/bin/sh
# Stand-in for the EFA installer, made by the amiforge sandbox: its options, its messages and what it leaves behind,
# with packages that carry names and versions only.
version=@VERSION@
record=/opt/amazon/efa_installed_packages
unattended= minimal= skip_kmod= skip_limits= uninstall= verify=1 mpi="openmpi40-aws openmpi50-aws"

usage() {
    cat <<END
usage: $(basename "$0") [options]
 -y, --yes               Do not ask
 -m, --minimal           Kernel module and rdma-core only
 -k, --skip-kmod         Leave out the kernel module
 -l, --skip-limit-conf   Leave out the limits file
 -n, --no-verify         Leave out the ping test
 -g, --enable-gdr        Accepted and ignored
 -d, --debug-packages    Accepted and ignored
 -u, --uninstall         Remove everything
     --mpi=openmpi4|openmpi5
     --check-signatures, --disable-ngc
 -h, --help              This text
END
}

while [ $# -gt 0 ]; do
    case $1 in
        -y|--yes) unattended=1 ;;
        -m|--minimal) minimal=1 ;;
        -k|--skip-kmod) skip_kmod=1 ;;
        -l|--skip-limit-conf) skip_limits=1 ;;
        -n|--no-verify) verify= ;;
        -u|--uninstall) uninstall=1 ;;
        -g|--enable-gdr|-d|--debug-packages|--check-signatures|--disable-ngc) ;;
        --mpi=openmpi4) mpi=openmpi40-aws ;;
        --mpi=openmpi5) mpi=openmpi50-aws ;;
        --mpi=*) echo "Error: unknown MPI ${1#--mpi=}" >&2; exit 1 ;;
        -h|--help) usage; exit 0 ;;
        *) echo "Unknown option $1" >&2; usage >&2; exit 1 ;;
    esac
    shift
done

here=$(cd "$(dirname "$0")" && pwd) || exit
carried() { for file in "$here/RPMS/$1"/*.rpm; do basename "$file" .rpm; done; }
[ "$(id -u)" = 0 ] || { echo "Error: this script must be run as root." >&2; exit 1; }
if [ -n "$uninstall" ]; then
    echo "= Uninstalling EFA ="
    for package in $(carried minimal) $(carried full); do
        rpm -q "$package" >/dev/null && rpm -e --nodeps "$package"
    done
    rm -f "$record"
    exit 0
fi
if [ -z "$unattended" ]; then
    printf 'Do you want to continue [y/N] '
    read -r answer
    case $answer in y|Y|yes) ;; *) echo "Installation aborted."; exit 1 ;; esac
fi

echo "= Starting Amazon Elastic Fabric Adapter Installation Script ="
echo "= EFA Installer Version: $version ="
echo
echo "This is a stand-in made by the amiforge sandbox."
kernel=$(uname -r)
if [ -z "$skip_kmod" ] && [ ! -d "/usr/src/kernels/$kernel" ]; then
    echo "== Installing EFA dependencies =="
    dnf -y install "kernel-devel-uname-r = $kernel" || {
        echo "Error: kernel development files for the running kernel $kernel are needed." >&2
        exit 1
    }
fi
wanted=$(carried minimal)
[ -n "$minimal" ] || wanted="$wanted $(carried full)"
files= names=
for package in $wanted; do
    case $package in
        efa-nv-peermem-*|efa-[0-9]*) [ -z "$skip_kmod" ] || continue ;;
        efa-config-*) [ -z "$skip_limits" ] || continue ;;
        openmpi*) case " $mpi " in *" ${package%%-aws*}-aws "*) ;; *) continue ;; esac ;;
    esac
    names="$names$package "
    # packages newer than the bundle are kept, as the real installer does
    files="$files $(echo "$here"/RPMS/*/"$package.rpm")"
done
echo
echo "== Installing EFA packages =="
sleep 1
dnf -y install $files || { echo "Error: failed to install EFA packages." >&2; exit 1; }
for package in $names; do
    rpm -q "$package" >/dev/null || echo "== $package is not newer than what is installed: kept =="
done
if [ -z "$skip_kmod" ]; then
    echo "== Rebuilding the initramfs =="
    sleep 1
    dracut -f /boot/initramfs-"$kernel".img "$kernel" || exit 1
fi
mkdir -p "$(dirname "$record")"
{
    echo "# EFA installer version: $version"
    echo "# Debug packages installed: no"
    echo "# Packages installed:"
    echo "$names" | sed 's/ $//'
} >"$record.new"
mv "$record.new" "$record"
if [ -n "$verify" ]; then
    echo "== Testing EFA device =="
    [ -e /dev/infiniband/uverbs0 ] || echo "No EFA device detected, skipping test."
fi
echo
echo "==================================================="
echo "EFA installation complete."
echo "- Please logout/login to complete the installation."
echo "==================================================="
