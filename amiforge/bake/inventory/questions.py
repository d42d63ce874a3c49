"""The sh text that looks through a host: one row a thing, of a kind and columns, with tabs between."""

from __future__ import annotations

from amiforge.systems.facts import DEFAULT_KERNEL

#: Where amiforge writes down what an image is.
RELEASE = "/etc/amiforge-release"

_SYSTEM = rf"""
printf 'kernel\t%s\n' "$(uname -r)"
(. /etc/os-release && printf 'os\t%s\t%s\t%s\n' "$ID" "$VERSION_ID" "$PRETTY_NAME")
{DEFAULT_KERNEL}
printf 'default\t%s\n' "$default"
image=/boot/vmlinuz-$default
[ ! -f "$image" ] || printf 'image\t%s\n' "$(sha256sum <"$image" | cut -d' ' -f1)"
[ ! -f {RELEASE} ] || sed 's/^/release\t/' {RELEASE}
systemctl list-unit-files --no-legend --no-pager 2>/dev/null |
  awk '$2 ~ /^(enabled|disabled|masked)$/ {{ print "unit\t" $1 "\t" $2 }}'
"""

# Of debs, what is removed but still configured is not there. Their licences are not in dpkg's database.
_PACKAGES = r"""
if command -v dpkg-query >/dev/null 2>&1; then
  format='${db:Status-Abbrev}\tdeb\t${Package}\t${Version}\t${Architecture}\t${source:Package}\n'
  dpkg-query -W -f "$format" | sed -n 's/^.i[^\t]*\t//p'
  find -L /usr/share/doc -mindepth 2 -maxdepth 2 -name copyright -type f -exec awk '
    FNR == 1 { machine = /^Format:/; split(FILENAME, path, "/") }
    machine && /^License: *[^ ]/ {
      sub(/^License: */, ""); if (!told[FILENAME, $0]++) print "licence\t" path[5] "\t" $0
    }' {} + 2>/dev/null
fi
if command -v rpm >/dev/null 2>&1; then
  version='%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}'
  rpm -qa --qf "rpm\t%{NAME}\t$version\t%{ARCH}\t%{SOURCERPM}\t%{VENDOR}\t%{LICENSE}\n"
fi
"""

# Python's own records, without running any Python: of the system, and of environments where tasks and AWS make them.
# What a package manager installed says so in INSTALLER, or lies where Debian's policy leaves nobody else room.
_PYTHON = r"""
set -- /usr/lib/python3*/site-packages /usr/lib64/python3*/site-packages \
  /usr/local/lib/python3*/site-packages /usr/local/lib/python3*/dist-packages /usr/local/lib64/python3*/site-packages
for root in /opt/* /opt/*/envs/* /opt/*/pyenv/versions/* /opt/*/pyenv/versions/*/envs/* /home/*/* /root/*; do
  set -- "$@" "$root"/lib/python3*/site-packages
done
find "$@" -mindepth 2 -maxdepth 2 -type f \
  '(' -path '*.dist-info/METADATA' -o -path '*.dist-info/INSTALLER' ')' -exec awk '
  function told() { if (name != "") print "pip\t" place "\t" name "\t" version "\t" licence }
  FNR == 1 {
    told(); place = FILENAME; sub(/\/[^\/]*$/, "", place); name = version = licence = ""
    head = FILENAME ~ /METADATA$/
    if (!head) print "installer\t" place "\t" $1
  }
  { sub(/\r$/, "") }
  $0 == "" { head = 0 }
  head && /^Name: / { name = $2 }
  head && /^Version: / { version = $2 }
  head && /^License: / && licence == "" { licence = substr($0, 10) }
  head && /^License-Expression: / { licence = substr($0, 21) }
  END { told() }' {} + 2>/dev/null
"""

_MODULES = r"""
find /lib/modules/*/extra /lib/modules/*/updates /lib/modules/*/weak-updates -name '*.ko*' \
  -exec modinfo {} + 2>/dev/null | awk '
  function told() { if (path != "") print "module\t" path "\t" version "\t" vermagic }
  /^filename:/ { told(); path = $2; version = vermagic = "" }
  /^version:/ { version = $2 }
  /^vermagic:/ { sub(/^vermagic: */, ""); vermagic = $0 }
  END { told() }'
! command -v dkms >/dev/null 2>&1 || dkms status 2>/dev/null | sed 's/^/dkms\t/'
"""

_REPOSITORIES = r"""
find /etc/yum.repos.d /etc/apt/sources.list /etc/apt/sources.list.d -type f \
  -exec awk '{ print "source\t" FILENAME "\t" $0 }' {} + 2>/dev/null
sources=$(find /etc/yum.repos.d /etc/apt/sources.list /etc/apt/sources.list.d -type f -exec cat {} + 2>/dev/null)
for key in /etc/pki/rpm-gpg/* /etc/apt/keyrings/* /etc/apt/trusted.gpg.d/* /usr/share/keyrings/*; do
  case $key in /etc/apt/trusted.gpg.d/*) ;; *) case $sources in *"$key"*) ;; *) continue ;; esac ;; esac
  [ ! -f "$key" ] || printf 'key\t%s\t%s\n' "$key" "$(head -c 262144 -- "$key" | base64 | tr -d '\n')"
done
"""

# What not everybody may read is told by its digest alone.
_FILES = r"""
set -- /etc/ld.so.conf /etc/ld.so.conf.d /etc/profile.d /etc/environment /etc/sysctl.conf /etc/sysctl.d \
  /etc/modprobe.d /etc/modules /etc/modules-load.d /etc/dracut.conf.d /etc/udev/rules.d /etc/dkms \
  /etc/security/limits.conf /etc/security/limits.d /etc/default/grub /etc/default/grub.d /etc/kernel/cmdline \
  /etc/systemd/system /etc/systemd/system.conf.d /etc/docker/daemon.json /etc/containerd/config.toml \
  /etc/nvidia-container-runtime/config.toml /etc/enroot /etc/apt/preferences.d
find "$@" -type f -exec sha256sum {} + 2>/dev/null | sed 's/^\([0-9a-f]\{64\}\)  /file\t\1\t/'
find "$@" -type f -perm -004 -size -8k -exec awk '{ print "text\t" FILENAME "\t" $0 }' {} + 2>/dev/null
printf 'end\t\n'
"""

QUESTIONS = _SYSTEM + _PACKAGES + _PYTHON + _MODULES + _REPOSITORIES + _FILES
