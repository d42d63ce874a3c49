#!/bin/sh
# Stand-in for a program of NVIDIA's container toolkit, made by the amiforge sandbox: there is no GPU.
name=$(basename "$0")
case "$name ${1-}" in
    *" --version") echo "$name version @VERSION@" ;;
    *) echo "$name: stand-in of the amiforge sandbox: initialization error: nvml error: driver not loaded" >&2; exit 1 ;;
esac
