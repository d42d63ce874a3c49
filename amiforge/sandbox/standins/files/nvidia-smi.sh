#!/bin/sh
# Stand-in for nvidia-smi, made by the amiforge sandbox: there is no driver to talk to, and it says so as the real one does.
case ${1-} in
    -h|--help) echo "NVIDIA System Management Interface -- v@VERSION@ (stand-in)"; exit 0 ;;
esac
echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running."
echo
exit 9
