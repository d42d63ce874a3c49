#!/bin/sh
# Stand-in for dkms, made by the amiforge sandbox. It keeps the real one's state tree and output, and "builds" a module
# by copying the prepared object from the source tree and filling in the version magic of the kernel.
tree=/var/lib/dkms
arch=x86_64
die() { echo "Error! $1" >&2; exit "${2:-1}"; }

action=${1-}
[ $# -eq 0 ] || shift
module= version= kernels= all= force=
while [ $# -gt 0 ]; do
    case $1 in
        -m) module=$2; shift ;;
        -v) version=$2; shift ;;
        -k) kernels="$kernels $2"; shift ;;
        -a|-c|-j) shift ;;
        --all) all=1 ;;
        --force) force=1 ;;
        --version) echo "dkms-@VERSION@"; exit 0 ;;
        -*) ;;
        */*) module=${1%%/*}; version=${1#*/} ;;
        *) module=$1 ;;
    esac
    shift
done
case $kernels in *//*|*/$arch*) kernels=$(echo "$kernels" | sed "s,/$arch,,g") ;; esac
[ "$action" != --version ] || { echo "dkms-@VERSION@"; exit 0; }

need_module() { [ -n "$module" ] && [ -n "$version" ] || die "Arguments <module> and <module-version> are not specified."; }
# Debian's tree for modules from elsewhere is another one than that of rpm distributions.
[ -d /var/lib/dpkg/info ] && ! [ -e /etc/system-release ] && place=updates/dkms || place=extra
installed_at() { echo "/lib/modules/$1/$place/$2"; }
has_headers() { [ -d "/lib/modules/$1/build/" ]; }
kernels_with_headers() { for d in /lib/modules/*/build/; do [ -d "$d" ] && basename "${d%/build/}"; done; }
# Version 2 names a module differently.
case @VERSION@ in 2*) separator=', ' ;; *) separator=/ ;; esac

add() {
    need_module
    [ -e "$tree/$module/$version/source" ] && { [ -n "$force" ] || die "DKMS tree already contains: $module/$version" 3; }
    [ -e "/usr/src/$module-$version/dkms.conf" ] || die "Could not find module source directory /usr/src/$module-$version." 2
    mkdir -p "$tree/$module/$version"
    ln -sfn "/usr/src/$module-$version" "$tree/$module/$version/source"
    echo "Creating symlink $tree/$module/$version/source -> /usr/src/$module-$version"
}

build_one() { # kernel
    built=$tree/$module/$version/$1/$arch
    [ -d "$built/module" ] && [ -z "$force" ] && return 0
    has_headers "$1" ||
        die "Your kernel headers for kernel $1 cannot be found at /lib/modules/$1/build or /lib/modules/$1/source." 1
    echo "Building module(s) for $1..."
    mkdir -p "$built/module" "$built/log"
    for object in "/usr/src/$module-$version"/*.ko; do
        target=$built/module/$(basename "$object")
        cp "$object" "$target"
        printf 'vermagic=%s SMP preempt mod_unload modversions' "$1" |
            dd of="$target" bs=1 seek=@VERMAGIC_OFFSET@ conv=notrunc status=none
    done
    echo "stand-in build of $module/$version for $1, made by the amiforge sandbox" >"$built/log/make.log"
}

install_one() { # kernel
    [ -e "$tree/$module/$version/source" ] || add
    build_one "$1"
    for object in "$tree/$module/$version/$1/$arch/module"/*.ko; do
        target=$(installed_at "$1" "$(basename "$object")")
        mkdir -p "$(dirname "$target")"
        echo "Installing $target"
        cp "$object" "$target"
    done
    depmod "$1"
}

uninstall_one() { # kernel
    gone=
    for object in "$tree/$module/$version/$1/$arch/module"/*.ko; do
        target=$(installed_at "$1" "$(basename "$object")")
        if [ -e "$target" ] && cmp -s "$object" "$target"; then rm -f "$target"; gone=1; fi
    done
    [ -z "$gone" ] || [ ! -d "/lib/modules/$1/kernel" ] || depmod "$1"
}

is_installed() { # kernel
    for object in "$tree/$module/$version/$1/$arch/module"/*.ko; do
        cmp -s "$object" "$(installed_at "$1" "$(basename "$object")")" || return 1
    done
}

versions() { # sets of "module version", one a line, that match what was asked
    for d in "$tree"/*/*/source; do
        [ -e "$d" ] || [ -L "$d" ] || continue
        d=${d%/source}
        v=${d##*/} m=${d%/*}; m=${m##*/}
        [ -z "$module" ] || [ "$m" = "$module" ] || continue
        [ -z "$version" ] || [ "$v" = "$version" ] || continue
        echo "$m $v"
    done
}

case $action in
    add) add ;;
    build) need_module; for k in ${kernels:-$(uname -r)}; do build_one "$k"; done ;;
    install) need_module; for k in ${kernels:-$(uname -r)}; do install_one "$k"; done ;;
    uninstall) need_module; for k in ${kernels:-$(uname -r)}; do uninstall_one "$k"; done ;;
    unbuild) need_module; for k in ${kernels:-$(uname -r)}; do uninstall_one "$k"; rm -rf "${tree:?}/$module/$version/$k"; done ;;
    remove)
        need_module
        [ -e "$tree/$module/$version" ] || die "The module/version combo: $module-$version is not located in the DKMS tree." 3
        [ -n "$all$kernels" ] || kernels=$(uname -r)
        [ -z "$all" ] || kernels=$(cd "$tree/$module/$version" && for d in */; do [ "$d" = "source/" ] || echo "${d%/}"; done)
        for k in $kernels; do [ "$k" = "*" ] || { uninstall_one "$k"; rm -rf "${tree:?}/$module/$version/$k"; }; done
        rest=$(find "$tree/$module/$version" -mindepth 1 -maxdepth 1 -type d)
        [ -n "$rest" ] || rm -rf "${tree:?}/$module/$version"
        rmdir "$tree/$module" 2>/dev/null || : ;;
    autoinstall|kernel_postinst)
        status=0
        for kernel in ${kernels:-$(kernels_with_headers)}; do
            has_headers "$kernel" || continue
            versions | sort -k1,1 -k2,2V | awk '{ newest[$1] = $2 } END { for (m in newest) print m, newest[m] }' |
                while read -r module version; do
                    is_installed "$kernel" 2>/dev/null || install_one "$kernel" || exit 1
                done || status=11
        done
        exit $status ;;
    kernel_prerm)
        for kernel in $kernels; do
            versions | while read -r module version; do
                uninstall_one "$kernel"
                rm -rf "${tree:?}/$module/$version/$kernel"
            done
        done ;;
    status)
        versions | while read -r module version; do
            found=
            for d in "$tree/$module/$version"/*/"$arch"; do
                [ -d "$d/module" ] || continue
                k=${d%/*}; k=${k##*/}
                case " $kernels " in "  "|*" $k "*) ;; *) continue ;; esac
                found=1
                state=built
                is_installed "$k" && state=installed
                echo "$module$separator$version, $k, $arch: $state"
            done
            [ -n "$found" ] || [ -n "$kernels" ] || echo "$module$separator$version: added"
        done ;;
    ''|help|--help) echo "Usage: $0 [action] [options]"; [ -n "$action" ] || exit 1 ;;
    *) die "Unknown action specified: \"$action\"" ;;
esac
