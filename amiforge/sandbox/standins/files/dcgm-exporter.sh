#!/bin/sh
# Stand-in for dcgm-exporter, made by the amiforge sandbox: there are no GPUs to tell of.
case ${1-} in
    -v|--version) echo "DCGM Exporter version @VERSION@ (stand-in)"; exit 0 ;;
esac
echo 'level=ERROR msg="no GPU here (stand-in of the amiforge sandbox)"' >&2
exit 1
