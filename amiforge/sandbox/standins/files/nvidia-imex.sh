#!/bin/sh
# Stand-in for nvidia-imex, made by the amiforge sandbox: no IMEX domain here.
case ${1-} in
    -v|--version) echo "IMEX version is: @VERSION@"; exit 0 ;;
esac
echo "nvidia-imex: no nodes in /etc/nvidia-imex/nodes_config.cfg" >&2
exit 1
