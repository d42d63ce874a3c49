# Runs in the layer of a source image, with the mirror at /mnt. Arguments: the mirror's key, one apt source a word
# (folder, suite, component), `--`, packages to remove, `--`, and the packages to install.
export DEBIAN_FRONTEND=noninteractive
key=/usr/share/keyrings/ubuntu-archive-keyring.gpg
build=/run/amiforge-build
mkdir -p "$build/lists/partial" "$build/cache/archives/partial"
gpg --batch --yes --homedir "$build" --dearmor -o "$key" "/mnt/$1"
shift
while [ "$1" != -- ]; do
    echo "deb [signed-by=$key] file:/mnt/$1"
    shift
done >"$build/sources.list"
shift
cat >"$build/apt.conf" <<END
Dir::Etc::sourcelist "$build/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$build/lists";
Dir::Cache "$build/cache";
APT::Sandbox::User "root";
END
export APT_CONFIG="$build/apt.conf"
removed=
while [ "$1" != -- ]; do
    removed="$removed $1"
    shift
done
shift
[ -z "$removed" ] || apt-get -qq -y remove $removed >&2
apt-get -qq update >&2
[ $# -eq 0 ] || apt-get -qq -y --no-install-recommends install "$@" >&2

# As on an image on sale: no caches and no logs.
rm -rf "$build" /var/cache/apt/* /var/log/apt /var/log/*.log
