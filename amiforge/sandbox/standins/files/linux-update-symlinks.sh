#!/bin/sh
# Stand-in for the links that Ubuntu's kernel packages keep, made by the amiforge sandbox: the newest kernel boots next.
cd /boot || exit
for name in vmlinuz initrd.img; do
    rm -f "$name" "$name.old"
    set -- $(ls | grep "^$name-" | sort -rV | head -n 2)
    [ $# -eq 0 ] || ln -s "$1" "$name"
    [ $# -lt 2 ] || ln -s "$2" "$name.old"
done
