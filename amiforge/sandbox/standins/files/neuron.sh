#!/bin/sh
# Stand-in for the Neuron tools, made by the amiforge sandbox: no device here.
case ${1-} in
    --version) echo "$(basename "$0") @VERSION@" ;;
    *) echo "$(basename "$0"): No neuron device found" >&2; exit 1 ;;
esac
