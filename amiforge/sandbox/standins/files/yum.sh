#!/bin/sh
# Stand-in for yum 3, made by the amiforge sandbox: dnf under yum's name. It refuses what only dnf knows and translates
# what only yum knows. Unlike yum, it fails when one of several packages is missing, and it goes down to an older version
# that is asked for by `install`.
usage_error() {
    printf 'Usage: yum [options] COMMAND\n\n\nCommand line error: %s\n' "$1" >&2
    exit 1
}

verb= quiet= count=$#
while [ "$count" -gt 0 ]; do
    word=$1
    shift
    count=$((count - 1))
    case $word in
        --refresh|--allowerasing|--best|--nobest|--repo|--repo=*|--repoid|--repoid=*|--forcearch=*|--advisories=*)
            usage_error "no such option: ${word%%=*}" ;;
        --setopt=install_weak_deps=*) usage_error "Main config did not have a install_weak_deps attr. before setopt" ;;
        -q|--quiet) quiet=1 ;;
        -*) ;;
        fast) [ "$verb" != makecache ] || continue ;;
        *) [ -n "$verb" ] || verb=$word ;;
    esac
    set -- "$@" "$word"
done

locks() { # the plugin's own form of a lock has the epoch in front
    sed -E 's/^((Adding|Deleting) versionlock (on|for): )?(.+)-([0-9]+):([^:]+)$/\1\5:\4-\6/'
}

case $verb in
    module|config-manager|needs-restarting|builddep|repoquery|mark|offline-upgrade|copr)
        echo "No such command: $verb. Please use /usr/bin/yum --help" >&2
        exit 1 ;;
    versionlock)
        if [ ! -e /etc/yum/pluginconf.d/versionlock.conf ]; then
            echo "No such command: versionlock. Please use /usr/bin/yum --help" >&2
            exit 1
        fi
        [ -n "$quiet" ] || echo "Loaded plugins: extras_suggestions, langpacks, priorities, update-motd, versionlock"
        said=$(dnf-3 -q "$@") || exit
        [ -z "$said" ] || printf '%s\n' "$said" | locks
        case " $* " in
            *" delete "*|*" del "*)
                [ -n "$said" ] || { echo "Error: versionlock delete: no matches" >&2; exit 1; } ;;
            *" add "*|*" clear "*) ;;
            *) [ -n "$quiet" ] || echo "versionlock list done" ;;
        esac ;;
    *) exec dnf-3 "$@" ;;
esac
