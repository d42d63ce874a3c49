#!/bin/sh
# Stand-in for Open MPI's launcher, made by the amiforge sandbox.
case ${1-} in
    --version) echo "mpirun (Open MPI) @VERSION@" ;;
    *) echo "mpirun: stand-in of the amiforge sandbox, runs nothing" >&2; exit 1 ;;
esac
