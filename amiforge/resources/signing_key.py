"""Signing keys of package repositories: fetched, checked against a fingerprint, and only then put in place."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from amiforge.engine.failure import CHECKSUM_MISMATCH
from amiforge.engine.lockfile import RECORDED_KEY
from amiforge.shell import Command, script
from amiforge.systems.system import System

_BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"

# gpg without a command shows what a file holds, in all versions from 2.0 on; it wants a home, and gets one that goes
# away. Every primary key in the file would be trusted, so every one of them must be the wanted one.
_FETCH = rf"""
url=$1 path=$2 wanted=$3 known_as=$4
mkdir -p -- "${{path%/*}}" && new=$(umask 077 && mktemp -d -- "${{path%/*}}/.amiforge.XXXXXXXX") || exit
trap 'rm -rf -- "$new"' EXIT
trap 'exit 143' HUP INT TERM PIPE
case $url in https:*) proto='=https' ;; *) proto='=http,https' ;; esac
curl -fsSL --proto "$proto" --retry 5 --connect-timeout 20 --speed-limit 1024 --speed-time 60 \
  -o "$new/key" --url "$url" || exit
grep -q '^{_BEGIN}' "$new/key" || {{ printf '%s is no armored OpenPGP public key\n' "$url" >&2; exit 65; }}
shown=$(gpg --batch --quiet --homedir "$new" --with-colons --with-fingerprint "$new/key") || exit
found=$(printf '%s\n' "$shown" | while IFS=: read -r kind _ _ _ _ _ _ _ _ value _; do
  case $kind in pub) primary=yes ;; fpr) [ -z "$primary" ] || echo "$value"; primary= ;; esac
done)
[ -n "$found" ] || {{ printf '%s holds no key\n' "$url" >&2; exit 65; }}
first=${{wanted:-${{found%%[!0-9A-F]*}}}}
for fingerprint in $found; do
  [ "$fingerprint" = "$first" ] || {{
    printf '{CHECKSUM_MISMATCH} %s: wanted the key %s, got %s\n' "$url" "$first" "$fingerprint" >&2; exit 65
  }}
done
chmod 0644 "$new/key" && mv -fT -- "$new/key" "$path" || exit
[ -n "$wanted" ] || printf '{RECORDED_KEY} %s %s\n' "$first" "$known_as"
"""

_BLOCK = re.compile(rf"{_BEGIN}(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)
_PUBLIC_KEY = 6
_VERSION_4 = 4


def fingerprints(key: bytes) -> tuple[str, ...]:
    """Give the fingerprints of the primary keys in an armored OpenPGP file (RFC 9580), version 4 keys only."""
    found: list[str] = []
    for block in _BLOCK.findall(key.decode("ascii", "replace")):
        body = block.replace("\r", "").partition("\n\n")[2]
        lines = [line for line in body.split("\n") if not line.startswith("=")]
        try:
            found += _primaries(base64.b64decode("".join(lines), validate=True))
        except (binascii.Error, IndexError):
            continue
    return tuple(found)


def _primaries(packets: bytes) -> list[str]:
    found = []
    while packets:
        tag, body, packets = _packet(packets)
        if tag == _PUBLIC_KEY and body[0] == _VERSION_4:
            digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False)
            found.append(digest.hexdigest().upper())
    return found


def _packet(packets: bytes) -> tuple[int, bytes, bytes]:
    """Give the first packet's tag and body, and the packets that follow it; lengths come in three sizes."""
    first, size = packets[0], packets[1]
    if first & 0x40:
        tag = first & 0x3F
        if size < 192:  # noqa: PLR2004 - RFC 9580, 4.2.1
            start, length = 2, size
        elif size < 224:  # noqa: PLR2004
            start, length = 3, ((size - 192) << 8) + packets[2] + 192
        else:
            start, length = 6, int.from_bytes(packets[2:6], "big")
    else:
        tag, octets = (first >> 2) & 0x0F, 1 << (first & 3)
        start, length = 1 + octets, int.from_bytes(packets[1 : 1 + octets], "big")
    body = packets[start : start + length]
    if len(body) < max(length, 1):
        raise IndexError("a packet ends early")
    return tag, body, packets[start + length :]


def fetch_key(url: str, system: System, path: str, fingerprint: str) -> Command:
    """Give the command that puts an armored key in place, if it has the known fingerprint; records it without one."""
    wanted = system.fingerprint(url, fingerprint)
    words = (system.mirrored(url), path, wanted, "" if wanted else url)
    return script(_FETCH, *words, summary=f"fetch signing key {system.mirrored(url)}")
