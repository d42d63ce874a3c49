#!/bin/sh
# Stand-in for nv-hostengine, made by the amiforge sandbox: there is no driver to talk to.
case ${1-} in
    -v|--version) echo "Version : @VERSION@ (stand-in)"; exit 0 ;;
esac
echo "Err: Failed to start DCGM Server: no NVIDIA driver here (stand-in of the amiforge sandbox)" >&2
exit 1
