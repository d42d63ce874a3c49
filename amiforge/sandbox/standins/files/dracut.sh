#!/bin/sh
# Stand-in for dracut, made by the amiforge sandbox: the "image" lists the modules that the real one would pack.
force= kernel= image=
while [ $# -gt 0 ]; do
    case $1 in
        -f|--force) force=1 ;;
        --kver) kernel=$2; shift ;;
        --regenerate-all)
            for k in /lib/modules/*/; do "$0" -f --kver "$(basename "$k")" || exit; done
            exit 0 ;;
        -*) ;;
        *) if [ -z "$image" ]; then image=$1; else kernel=$1; fi ;;
    esac
    shift
done
[ -n "$kernel" ] || kernel=$(uname -r)
[ -n "$image" ] || image=/boot/initramfs-$kernel.img
[ -d "/lib/modules/$kernel" ] || { echo "dracut: Cannot find module directory /lib/modules/$kernel/" >&2; exit 1; }
if [ -e "$image" ] && [ -z "$force" ]; then
    echo "dracut: Will not override existing initramfs ($image) without --force" >&2
    exit 1
fi
{
    echo "stand-in for the initramfs of $kernel, made by the amiforge sandbox"
    cd "/lib/modules/$kernel" && find kernel -name '*.ko' | grep -E '/(nvme|ena|xfs)\.ko$'
} >"$image.new"
mv "$image.new" "$image"
