#!/bin/sh
# Stand-in for Slurm's commands, made by the amiforge sandbox.
case ${1-} in
    -V|--version) echo "slurm @VERSION@" ;;
    *) echo "$(basename "$0"): stand-in of the amiforge sandbox, knows no cluster" >&2; exit 1 ;;
esac
