#!/bin/sh
# Stand-in for the boot script of GDRCopy, made by the amiforge sandbox: it fails where there is no GPU, as that does.
### BEGIN INIT INFO
# Provides:          gdrcopy gdrdrv
# Required-Start:    $remote_fs
# Required-Stop:     $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: GDRCopy kernel module
### END INIT INFO
case ${1-} in
    start|restart) echo "module nvidia is not loaded" >&2; exit 1 ;;
    stop) exit 0 ;;
    *) echo "Usage: $0 {start|stop|restart}"; exit 1 ;;
esac
