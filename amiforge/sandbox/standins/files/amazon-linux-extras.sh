#!/bin/sh
# Stand-in for amazon-linux-extras, made by the amiforge sandbox: the topics that recipes ask for, out of the sixty that
# the real one has, with its way to show them and the repository file that it keeps.
repositories=/etc/yum.repos.d/amzn2-extras.repo

topics() { # number, mark of a topic past its support, name, packages
    cat <<'END'
20 † docker docker
24 _ epel epel-release
44 † python3.8 python38
55 _ kernel-5.10 kernel
65 _ lustre lustre-client
END
}

enabled() { sed -n 's/^\[amzn2extra-\(.*\)\]$/\1/p' "$repositories" 2>/dev/null; }
is_enabled() { enabled | grep -qxF -- "$1"; }
packages_of() { topics | awk -v name="$1" '$3 == name { print $4 }'; }

list() {
    topics | while read -r number mark name _; do
        state=available label=$name
        if is_enabled "$name"; then state=enabled label=$name=latest; fi
        printf ' %2s %s%-24s %-12s [ =stable ]\n' "$number" "$(echo "$mark" | tr _ ' ')" "$label" "$state"
    done
    echo "† Note on end-of-support. Use 'info' subcommand."
}

write() { # names of topics
    for name in "$@"; do
        cat <<END
[amzn2extra-$name]
enabled = 1
name = Amazon Extras repo for $name
mirrorlist = @MIRROR@/amazonlinux.us-east-1.amazonaws.com/\$releasever/extras/$name/latest/\$basearch/mirror.list
gpgcheck = 1
gpgkey = file:///etc/pki/rpm-gpg/RPM-GPG-KEY-amazon-linux-2
priority = 10
skip_if_unavailable = 1
report_instanceid = yes

END
    done >"$repositories.new"
    mv "$repositories.new" "$repositories"
}

action=${1-list}
[ $# -eq 0 ] || shift
yes= names= packages=
for word do
    case $word in
        -y) yes=-y ;;
        -*) echo "amazon-linux-extras: unknown option $word" >&2; exit 1 ;;
        *)
            name=${word%%=*}
            [ -n "$(packages_of "$name")" ] || { echo "Topic $name is not found." >&2; exit 1; }
            names="$names $name" packages="$packages $(packages_of "$name")" ;;
    esac
done
case $action in
    list) list; exit ;;
    enable|install|disable) ;;
    *) echo "amazon-linux-extras: unknown command $action" >&2; exit 1 ;;
esac
[ "$(id -u)" = 0 ] || { echo "You lack permissions to write to system repository configuration." >&2; exit 1; }
[ -n "$names" ] || { echo "amazon-linux-extras: no topic is named" >&2; exit 1; }

if [ "$action" = disable ]; then
    write $(enabled | grep -vxF "$(printf '%s\n' $names)")
    list
    exit
fi
write $({ enabled; printf '%s\n' $names; } | awk '!seen[$0]++')
if [ "$action" = install ]; then
    echo "Installing$(echo "$packages" | sed 's/ /, /g; s/^,//')"
    yum clean metadata && yum $yes install $packages || exit
    list
else
    list
    printf '\nNow you can install:\n # yum clean metadata\n # yum install%s\n' "$packages"
fi
