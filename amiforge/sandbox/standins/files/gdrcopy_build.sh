#!/bin/bash
# Stand-in for GDRCopy's build scripts, made by the amiforge sandbox: what they want, and packages that are made already
# under the names that theirs get. Like them, it ends well where a build went wrong.
cd "$(dirname "$0")" || exit
[ -n "$CUDA" ] || { echo "CUDA environment variable is not defined"; exit 1; }
"$CUDA/bin/nvcc" --version || { echo "no nvcc below $CUDA: nothing was built"; exit 0; }
echo "Building gdrcopy packages version @VERSION@ (stand-in of the amiforge sandbox) ..."
. /etc/os-release
case $0 in
    *rpm*) for made in made/*.rpm; do
        name=$(basename "$made" .rpm)
        cp "$made" "${name%.*}.$ID-$VERSION_ID.${name##*.}.rpm"
    done ;;
    *) for made in made/*.deb; do
        name=$(basename "$made" .deb)
        package=${name%%_*}
        case $package in *tests) cuda=+cuda$("$CUDA/bin/nvcc" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p') ;; *) cuda= ;; esac
        cp "$made" "${package}_@VERSION@-1_${name##*_}.Ubuntu$(echo "$VERSION_ID" | tr . _)$cuda.deb"
    done ;;
esac
