#!/bin/sh
# Stand-in for dcgmi, made by the amiforge sandbox: no host engine answers.
case ${1-} in
    -v|--version) echo "dcgmi  version: @VERSION@ (stand-in)"; exit 0 ;;
esac
echo "Error: unable to establish a connection to the specified host: localhost" >&2
echo "Error: Unable to connect to host engine. Host engine connection invalid/disconnected." >&2
exit 1
