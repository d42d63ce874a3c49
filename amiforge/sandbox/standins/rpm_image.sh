# Runs in the layer of a source image, with the mirror at /mnt. Arguments: the mirror's key, one repository folder a
# word, `--`, packages to remove, `--`, and the packages to install.
build=/run/amiforge-build
key=/mnt/$1
mkdir -p "$build"
rpm --import "$key"
shift

# Debian's dnf has a plugin that looks for a repository of its own and complains when there is none.
sed -i 's/^enabled *=.*/enabled = false/' /etc/dnf/plugins/local.conf
cat >/etc/dnf/dnf.conf <<'END'
[main]
gpgcheck=1
installonly_limit=3
clean_requirements_on_remove=True
best=True
skip_if_unavailable=False
END

printf '[main]\ngpgcheck=1\nbest=True\nreposdir=%s\ncachedir=%s/cache\n' "$build" "$build" >"$build/dnf.conf"
while [ "$1" != -- ]; do
    name=repository$#
    printf '[%s]\nname=%s\nbaseurl=file:///mnt/%s\ngpgkey=file://%s\n' "$name" "$name" "$1" "$key"
    shift
done >"$build/build.repo"
shift
removed=
while [ "$1" != -- ]; do
    removed="$removed $1"
    shift
done
shift
[ -z "$removed" ] || rpm -e $removed >&2
# dnf-3: on Amazon Linux 2 there is no command dnf. A repository that is a folder needs no release.
[ $# -eq 0 ] || dnf-3 -y -q -c "$build/dnf.conf" --releasever=0 install "$@" >&2

# As on an image on sale: no caches and no logs.
rm -rf "$build" /var/cache/dnf /var/log/dnf* /var/log/hawkey.log 
