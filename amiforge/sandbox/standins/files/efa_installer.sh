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
[ "$(id -u)" = 0 ] || { echo "Error: this script must be run as root." >&2; exit 1; }
. /etc/os-release
case $ID-$VERSION_ID in
    amzn-2023) bundle=$here/RPMS/ALINUX2023/x86_64 ending=rpm manager=dnf ;;
    amzn-2) bundle=$here/RPMS/ALINUX2/x86_64 ending=rpm manager=yum ;;
    ubuntu-22.04) bundle=$here/DEBS/UBUNTU2204/x86_64 ending=deb ;;
    ubuntu-24.04) bundle=$here/DEBS/UBUNTU2404/x86_64 ending=deb ;;
    *) bundle= ;;
esac
[ -d "$bundle" ] || { echo "Unsupported operating system." >&2; exit 1; }

# packages: what the record names, and what is in the bundle
carried() { for file in "$bundle/$1"/*."$ending"; do basename "$file" ".$ending"; done; }
recorded() { grep -v '^#' "$record" 2>/dev/null; }
if [ "$ending" = rpm ]; then
    version_of() { rpm -q --quiet -- "$1" && rpm -q --qf '%{VERSION}-%{RELEASE}' -- "$1"; }
    name_of() { echo "$1" | sed 's/-[^-]*-[^-]*$//'; }
    bundled_version() { echo "$1" | sed 's/^.*-\([^-]*-[^-]*\)\.[^.]*$/\1/'; }
    has_headers() { [ -d "/usr/src/kernels/$1" ] || "$manager" -y install "kernel-devel-uname-r = $1"; }
    install_files() { "$manager" -y install -- "$@"; }
    remove_packages() { "$manager" -y remove -- "$@"; }
    initramfs() { dracut -f "/boot/initramfs-$1.img" "$1"; }
else
    export DEBIAN_FRONTEND=noninteractive
    version_of() { dpkg-query -W -f='${db:Status-Abbrev}${Version}' -- "$1" 2>/dev/null | sed -n 's/^.i //p'; }
    name_of() { echo "${1%%_*}"; }
    bundled_version() { echo "$1" | cut -d _ -f 2; }
    has_headers() { [ -d "/lib/modules/$1/build/" ] || apt-get -y install "linux-headers-$1"; }
    install_files() { apt-get -y install dkms && apt-get -y --allow-downgrades install -- "$@"; }
    remove_packages() { apt-get -y remove -- $(for package; do name_of "$package"; done); }
    initramfs() { update-initramfs -u -k all; }
fi
if [ -n "$uninstall" ]; then
    [ -e "$record" ] || { echo "Error: EFA is not installed, exiting." >&2; exit 1; }
    echo "== Uninstalling EFA packages =="
    remove_packages $(recorded) || { echo "Error: failed to uninstall EFA packages." >&2; exit 1; }
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
if [ -z "$skip_kmod" ]; then
    echo "== Installing EFA dependencies =="
    has_headers "$kernel" || {
        echo "Error: kernel development files for the running kernel $kernel are needed." >&2
        exit 1
    }
fi
wanted=$(carried minimal)
[ -n "$minimal" ] || wanted="$wanted $(carried full)"
files= names=
for package in $wanted; do
    name=$(name_of "$package")
    case $name in
        efa|efa-nv-peermem) [ -z "$skip_kmod" ] || continue ;;
        efa-config) [ -z "$skip_limits" ] || continue ;;
        dkms) [ -z "$(version_of dkms)" ] || { echo "dkms is already installed"; continue; } ;;
        openmpi*) case " $mpi " in *" $name "*) ;; *) continue ;; esac ;;
    esac
    names="$names$package "
    # what is there in the same version or a newer one is left alone
    there=$(version_of "$name") here_version=$(bundled_version "$package")
    if [ -n "$there" ] && [ "$(printf '%s\n' "$there" "$here_version" | sort -V | tail -n 1)" = "$there" ]; then
        echo "$name-$there already installed"
        continue
    fi
    files="$files $(echo "$bundle"/*/"$package.$ending")"
done
echo
echo "== Installing EFA packages =="
if [ -n "$files" ]; then
    install_files $files || { echo "Error: failed to install EFA packages." >&2; exit 1; }
fi
if [ -z "$skip_kmod" ]; then
    echo "Updating boot ramdisk"
    initramfs "$kernel" || exit 1
    [ -n "$(find "/lib/modules/$kernel" -name ib_uverbs.ko)" ] || {
        echo "Error: the kernel does not include the ib_uverbs kernel module." >&2
        exit 1
    }
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
