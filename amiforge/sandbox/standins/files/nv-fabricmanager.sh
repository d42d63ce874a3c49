#!/bin/sh
# Stand-in for nv-fabricmanager, made by the amiforge sandbox: without NVSwitch it ends with an error as the real one does.
case ${1-} in
    -v|--version) echo "Fabric Manager version is : @VERSION@"; exit 0 ;;
esac
echo "request to query NVSwitch device information from NVSwitch driver failed with error:WARNING Nothing to do [NV_WARN_NOTHING_TO_DO]" >&2
exit 1
