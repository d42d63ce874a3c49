"""Looking for what no list of paths can name: secrets by their value, private keys and the builder's key by content."""

from __future__ import annotations

from collections.abc import Iterable

from amiforge.secret_forms import forms
from amiforge.shell import Secret

#: Shorter forms of a secret are found by chance; a secret of which all forms are shorter is not looked for.
_SHORTEST = 8

#: Defines `leaks`, which prints a row `area<TAB>path` for each file that must not be on an image. It wants `$R`, and in
#: `$work` the files `secrets` (values, a line each), `allowed` (patterns of paths that may hold a private key), and
#: `ways` (paths that will go). Never a value is printed. A file that a package brought is the package's affair, and
#: what language packages bring for their own tests is as public as they are.
LEAKS = r"""
large=16384k
in_package() { rpm -qf -- "$1" || dpkg -S "$1"; } >/dev/null 2>&1
will_go() { grep -qxF -- "${1#"$R"}" "$work/ways"; }
is_allowed() {
  while IFS= read -r pattern; do
    case ${1#"$R"} in $pattern) return 0 ;; esac
  done <"$work/allowed"
  return 1
}
keys_of_others() {
  case $1 in
  */site-packages/*|*/dist-packages/*|*/node_modules/*|*/pkg/mod/*|*/etc/ssl/private/ssl-cert-snakeoil.key) ;;
  *) false ;;
  esac
}
private_keys() {
  area='private keys'
  find "$R/etc" "$R/home" "$R/root" -xdev -type f -size -1024k \
    -exec grep -lE '^[[:space:]]*-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----' {} + 2>/dev/null |
    while IFS= read -r path; do
    will_go "$path" || is_allowed "$path" || keys_of_others "$path" || in_package "$path" || say "${path#"$R"}"
  done
}
# Who may log in now is known by the keys in the files that will go.
values() {
  while IFS= read -r path; do
    case $path in */authorized_keys*) grep -oE 'AAAA[A-Za-z0-9+/]{40,}' "$R$path" ;; esac
  done <"$work/ways" | sort -u >"$work/keys"
  cat "$work/secrets" "$work/keys" >"$work/values"
  [ -s "$work/values" ] || return 0
  find "$R/etc" "$R/home" "$R/opt" "$R/root" "$R/usr/local" "$R/var" -xdev -type f -size -$large \
    -exec grep -laF -f "$work/values" {} + 2>/dev/null | while IFS= read -r path; do
    if grep -qaF -f "$work/secrets" -- "$path"; then area=secrets; say "${path#"$R"}"
    elif ! will_go "$path"; then area="builder's key"; say "${path#"$R"}"
    fi
  done
}
# A password in an address, as of a package index or a git remote; comments do not count.
passwords() {
  area='passwords in addresses'
  {
    find "$R/etc/apt" "$R/etc/yum.repos.d" "$R/etc/yum" "$R/etc/dnf" "$R/etc/profile.d" "$R/etc/default" \
      "$R/etc/sysconfig" "$R/etc/systemd/system" "$R/etc/pip.conf" "$R/etc/environment" "$R/etc/yum.conf" \
      "$R/etc/gitconfig" -xdev -type f
    find "$R/home" "$R/root" "$R/opt" "$R/usr/local/src" -xdev -type f \
      '(' -path '*/.git/config' -o -name .gitconfig -o -name .condarc -o -name .bashrc -o -name .profile \
      -o -name '*.env' ')'
  } 2>/dev/null | while IFS= read -r path; do
    grep -qsE '^[^#;]*[a-z]://[^/:@[:space:]]+:[^/@[:space:]$]+@' "$path" && say "${path#"$R"}"
  done
}
leaks() { private_keys; values; passwords; }
"""


def lines(secrets: Iterable[Secret]) -> list[Secret]:
    """Give every line to look for, in every form that a secret, or a line of it, may have taken."""
    found = {form for secret in secrets for form in forms(secret.reveal())}
    return [Secret(form) for form in sorted(found) if len(form) >= _SHORTEST and not {"\n", "\0"} & set(form)]
