#!/bin/sh
# Stand-in for enroot, made by the amiforge sandbox.
case ${1-} in
    version) echo @VERSION@ ;;
    *) echo "enroot: stand-in of the amiforge sandbox, runs no container" >&2; exit 1 ;;
esac
