#!/bin/sh
# Stand-in for the docker command, made by the amiforge sandbox: it knows its version, its plugins, and no engine.
case ${1-} in
    --version|-v) echo "Docker version @VERSION@, build standin" ;;
    compose)
        shift
        for folder in /usr/local/lib/docker /usr/local/libexec/docker /usr/lib/docker /usr/libexec/docker; do
            if [ -x "$folder/cli-plugins/docker-compose" ]; then exec "$folder/cli-plugins/docker-compose" "$@"; fi
        done
        echo "docker: unknown command: docker compose" >&2; exit 1 ;;
    *) echo "docker: stand-in of the amiforge sandbox, runs no containers" >&2; exit 1 ;;
esac
