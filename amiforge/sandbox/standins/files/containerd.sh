#!/bin/sh
# Stand-in for containerd, made by the amiforge sandbox: it runs, and does nothing.
case ${1-} in
    --version) echo "containerd github.com/containerd/containerd/v2 @VERSION@ stand-in" ;;
    "") exec sleep infinity ;;
    *) echo "containerd: stand-in of the amiforge sandbox" >&2; exit 1 ;;
esac
