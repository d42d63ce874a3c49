#!/bin/sh
# Stand-in for the Lustre client utilities, made by the amiforge sandbox.
case "$(basename "$0") $*" in
    "lfs --version"|"lfs version") echo "lfs 2.15.6" ;;
    "lctl --version"|"lctl version") echo "lctl 2.15.6" ;;
    "lnetctl --version") echo "lnetctl 2.15.6" ;;
    mount.lustre*) echo "mount.lustre: No such device: are the lustre modules loaded?" >&2; exit 19 ;;
    *) echo "$(basename "$0"): the Lustre modules are not loaded (stand-in of the amiforge sandbox)" >&2; exit 1 ;;
esac
