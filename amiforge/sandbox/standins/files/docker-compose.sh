#!/bin/sh
# Stand-in for the Compose plugin of Docker, made by the amiforge sandbox: it knows its version.
case "$*" in
    "version --short") echo "@VERSION@" ;;
    version*) echo "Docker Compose version v@VERSION@" ;;
    docker-cli-plugin-metadata) echo '{"SchemaVersion":"0.1.0","Vendor":"amiforge sandbox","Version":"@VERSION@"}' ;;
    *) echo "docker compose: stand-in of the amiforge sandbox, runs no containers" >&2; exit 1 ;;
esac
