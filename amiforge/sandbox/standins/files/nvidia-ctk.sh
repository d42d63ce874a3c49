#!/bin/sh
# Stand-in for nvidia-ctk, made by the amiforge sandbox: it writes configuration as the real one does, and finds no GPU.
[ "${1-}" != --quiet ] || shift
command=${1-} && [ $# -eq 0 ] || shift
config= set= runtime= default= in_place=
while [ $# -gt 0 ]; do
    case $1 in
        --config-file=*) config=${1#*=} ;;
        --in-place) in_place=1 ;;
        --set) set=$2; shift ;;
        --set=*) set=${1#*=} ;;
        --runtime=*) runtime=${1#*=} ;;
        --set-as-default|--set-as-default=true) default=1 ;;
        --set-as-default=false) default= ;;
        configure|generate) ;;
        *) echo "nvidia-ctk: not in the stand-in: $1" >&2; exit 1 ;;
    esac
    shift
done

toolkit_config() {
    cat <<'END'
# stand-in made by the amiforge sandbox
[nvidia-container-cli]
environment = []
load-kmods = true

[nvidia-container-runtime]
log-level = "info"
mode = "auto"
runtimes = ["docker-runc", "runc", "crun"]

[nvidia-container-runtime-hook]
path = "nvidia-container-runtime-hook"
END
}

containerd_drop_in() {
    printf '# stand-in made by the amiforge sandbox\nversion = 2\n\n[plugins."io.containerd.grpc.v1.cri".containerd]\n'
    [ -z "$default" ] || printf '  default_runtime_name = "nvidia"\n'
    printf '\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]\n  runtime_type = "io.containerd.runc.v2"\n'
    printf '  options = { BinaryName = "/usr/bin/nvidia-container-runtime" }\n'
}

case $command in
    --version) echo "NVIDIA Container Toolkit CLI version @VERSION@" ;;
    config)
        [ -n "$in_place" ] && [ -n "$config" ] || { toolkit_config; exit; }
        [ -e "$config" ] || { mkdir -p "${config%/*}" && toolkit_config >"$config"; } || exit
        [ -n "$set" ] || exit 0
        section=${set%%.*} pair=${set#*.}
        sed -i "/^\\[$section\\]/,/^\\[/s/^${pair%%=*} = .*/${pair%%=*} = \"${pair#*=}\"/" "$config" ;;
    runtime)
        [ "$runtime" = containerd ] || { echo "nvidia-ctk: the stand-in knows containerd alone" >&2; exit 1; }
        mkdir -p /etc/containerd/conf.d && containerd_drop_in >/etc/containerd/conf.d/99-nvidia.toml || exit
        if ! grep -qs '^imports' /etc/containerd/config.toml; then
            touch /etc/containerd/config.toml
            { printf 'imports = ["/etc/containerd/conf.d/*.toml"]\n'; cat /etc/containerd/config.toml; } >/etc/containerd/.new
            mv /etc/containerd/.new /etc/containerd/config.toml
        fi ;;
    cdi) echo "failed to generate CDI spec: failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND" >&2; exit 1 ;;
    *) echo "nvidia-ctk: not in the stand-in: $command" >&2; exit 1 ;;
esac
