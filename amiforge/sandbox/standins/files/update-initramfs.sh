#!/bin/sh
# Stand-in for update-initramfs, made by the amiforge sandbox: the "image" lists what the real one would pack.
action= kernels=
while [ $# -gt 0 ]; do
    case $1 in
        -k) kernels=$2; shift ;;
        -c|-u|-d) action=$1 ;;
        -v|-t) ;;
        *) echo "update-initramfs: unknown option $1" >&2; exit 1 ;;
    esac
    shift
done
[ -n "$action" ] || { echo "You must specify at least one of -c, -u, or -d." >&2; exit 1; }
case $kernels in
    all) kernels=$(ls /boot | sed -n 's/^vmlinuz-//p') ;;
    '') kernels=$(ls /boot | sed -n 's/^vmlinuz-//p' | sort -V | tail -n 1) ;;
esac
for kernel in $kernels; do
    image=/boot/initrd.img-$kernel
    if [ "$action" = -d ]; then rm -f "$image"; continue; fi
    [ -d "/lib/modules/$kernel" ] || { echo "update-initramfs: /lib/modules/$kernel does not exist" >&2; exit 1; }
    echo "update-initramfs: Generating $image"
    {
        echo "stand-in for the initramfs of $kernel, made by the amiforge sandbox"
        cd "/lib/modules/$kernel" && find kernel -name '*.ko' | grep -E '/(nvme|ena|xfs)\.ko$'
        find /etc/modprobe.d -name '*.conf' | sed 's,^/,,'
    } >"$image.new"
    mv "$image.new" "$image"
done
