#!/bin/sh
# Stand-in for nvidia-ctk, made by the amiforge sandbox.
case ${1-} in
    --version) echo "NVIDIA Container Toolkit CLI version @VERSION@" ;;
    cdi) echo "failed to generate CDI spec: failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND" >&2; exit 1 ;;
    *) echo "nvidia-ctk: not in the stand-in: $*" >&2; exit 1 ;;
esac
