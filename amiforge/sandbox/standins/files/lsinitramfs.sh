#!/bin/sh
# Stand-in for lsinitramfs, made by the amiforge sandbox.
for image; do
    case $image in -*) continue ;; esac
    [ -e "$image" ] || { echo "lsinitramfs: $image does not exist" >&2; exit 1; }
    cat "$image"
done
