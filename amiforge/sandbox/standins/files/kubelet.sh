#!/bin/sh
# Stand-in for a Kubernetes node program, made by the amiforge sandbox.
case "$(basename "$0") ${1-}" in
    "kubelet --version") echo "Kubernetes v@VERSION@" ;;
    "containerd --version") echo "containerd github.com/containerd/containerd/v2 @VERSION@ stand-in" ;;
    "runc --version") echo "runc version @VERSION@" ;;
    "nodeadm version"|"nodeadm --version") echo "@VERSION@" ;;
    *) echo "$(basename "$0"): stand-in of the amiforge sandbox, runs nothing" >&2; exit 1 ;;
esac
