#!/bin/sh
# Stand-in for the InfiniBand utilities, made by the amiforge sandbox: no device here.
case $(basename "$0") in
    ibv_devices) printf '    device          \t   node GUID\n    ------          \t----------------\n' ;;
    ibv_devinfo) echo "No IB devices found"; exit 255 ;;
    *) echo "ibpanic: $(basename "$0"): can't find a local umad device" >&2; exit 255 ;;
esac
