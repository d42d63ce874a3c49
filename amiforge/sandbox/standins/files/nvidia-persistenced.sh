#!/bin/sh
# Stand-in for nvidia-persistenced, made by the amiforge sandbox: no device files, nothing to keep open.
case ${1-} in
    --version|-v) echo "nvidia-persistenced:  version @VERSION@"; exit 0 ;;
esac
echo "nvidia-persistenced: Failed to query NVIDIA devices. Please ensure that the NVIDIA device files (/dev/nvidia*) exist." >&2
