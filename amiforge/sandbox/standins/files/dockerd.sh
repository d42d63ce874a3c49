#!/bin/sh
# Stand-in for the Docker daemon, made by the amiforge sandbox: it reads its configuration, as the real one refuses to
# start with a wrong one, has an identity as an engine, and then does nothing.
config=/etc/docker/daemon.json validate=
for word do
    case $word in
        --version) echo "Docker version @VERSION@, build standin"; exit ;;
        --validate) validate=1 ;;
        --config-file=*) config=${word#*=} ;;
    esac
done
if [ -e "$config" ] && ! said=$(python3 -m json.tool "$config" 2>&1 >/dev/null); then
    echo "unable to configure the Docker daemon with file $config: $said" >&2
    exit 1
fi
if [ -n "$validate" ]; then echo "configuration OK"; exit; fi
mkdir -p /var/lib/docker && { [ -e /var/lib/docker/engine-id ] || cat /proc/sys/kernel/random/uuid >/var/lib/docker/engine-id; }
exec sleep infinity
