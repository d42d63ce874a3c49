#!/bin/sh
# Stand-in for lsinitrd, made by the amiforge sandbox.
image=
while [ $# -gt 0 ]; do
    case $1 in -k|--kver) image=/boot/initramfs-$2.img; shift ;; -*) ;; *) image=$1 ;; esac
    shift
done
[ -n "$image" ] || image=/boot/initramfs-$(uname -r).img
[ -e "$image" ] || { echo "No <initramfs file> specified and the default image '$image' cannot be accessed!" >&2; exit 1; }
cat "$image"
