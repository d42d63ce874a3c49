"""Downloads, made by the host itself and checked before they get their name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.download import Download
from amiforge.engine.failure import CHECKSUM_MISMATCH
from amiforge.engine.lockfile import RECORDED
from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State
from amiforge.errors import RecipeError
from amiforge.resources.file_state import AbsolutePath, FileState, look_at
from amiforge.resources.signature import CHECK_SIGNATURE, Signature
from amiforge.resources.strict import STRICT
from amiforge.shell import script
from amiforge.systems.system import System

#: Exit status of a download whose content is not what it should be; `EX_DATAERR` of sysexits.
MISMATCH_STATUS = 65

#: Seconds: to connect, and without a single kilobyte a second until a transfer counts as dead. Tries in all.
CONNECT_TIMEOUT = 20
SILENCE = 60
TRIES = 5

# A second run while the first one is under way does no harm: each has files of its own, and the same content gets the
# name. An answer 4xx, other than 408 and 429, will be the same the next time; wget does not tell which one it got. What
# is asked for by https is not redirected to http. Some errors of curl stay what they are: a malformed address (3),
# content that cannot be written (23), of which it does not say why, a redirect without end (47), a certificate (60).
_DOWNLOAD = rf"""
{CHECK_SIGNATURE}
url=$1 path=$2 sum=$3 mode=$4 known_as=$5 signature=$6 key=$7 signer_wanted=$8 key_known_as=$9
check() {{
  [ -n "$sum" ] || return 0
  found=$(sha256sum <"$1") && found=${{found%% *}} && [ "$found" = "$sum" ]
}}
[ ! -f "$path" ] || [ -z "$sum" ] || ! check "$path" || exec chmod -- "$mode" "$path"
directory=${{path%/*}}
mkdir -p -- "${{directory:-/}}" || exit
work=$(umask 077 && mktemp -d -- "$directory/.amiforge.XXXXXXXX") || exit
trap 'rm -rf -- "$work"' EXIT
trap 'exit 143' HUP INT TERM PIPE
fetch() {{
  code=
  case $1 in https:*) protocols='=https' ;; *) protocols='=http,https' ;; esac
  if command -v curl >/dev/null 2>&1; then
    code=$(curl -fsSL --proto "$protocols" --connect-timeout {CONNECT_TIMEOUT} --speed-limit 1024 \
      --speed-time {SILENCE} -w '%{{http_code}}' -o "$2" --url "$1")
  elif command -v wget >/dev/null 2>&1; then
    wget -nv --tries=1 --timeout={SILENCE} -O "$2" -- "$1"
  else
    echo 'neither curl nor wget is installed' >&2
    exit 127
  fi
}}
download() {{
  attempt=1
  until fetch "$1" "$2"; do
    status=$?
    case $code in 408|429) ;; 4??) attempt={TRIES};; esac
    [ -z "${{code:-}}" ] || case $status in 3|47|60|77) attempt={TRIES} ;; esac
    [ "$status" -ne 23 ] || {{ head -c 65536 /dev/zero | tee -- "$work/room" >/dev/null; attempt={TRIES}; }}
    [ "$attempt" -lt {TRIES} ] || {{ printf 'cannot download %s (exit %s %s)\n' "$1" "$status" "$code" >&2; exit 1; }}
    printf 'attempt %s to download %s failed, trying again in %s s\n' "$attempt" "$1" "$attempt"
    sleep "$attempt"
    attempt=$((attempt + 1))
  done
}}
download "$url" "$work/new"
check "$work/new" || {{
  printf '{CHECKSUM_MISMATCH} %s: wanted sha256 %s, got %s\n' "$url" "$sum" "$found" >&2
  exit {MISMATCH_STATUS}
}}
if [ -n "$signature" ]; then
  download "$signature" "$work/signature" && download "$key" "$work/key" || exit
  check_signature "$work/new" "$work/signature" "$work/key" "$signer_wanted" "$work" "$key_known_as" || exit
fi
chmod -- "$mode" "$work/new" && mv -fT -- "$work/new" "$path" || exit
[ -n "$sum" ] || {{ found=$(sha256sum <"$path") && printf '{RECORDED} %s %s\n' "${{found%% *}}" "$known_as"; }}
"""


def _url(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+/[\x21-\x7e]+", url):
        raise RecipeError(f"{url!r} is nothing to download", fix="write it as https://host/path, percent-encoded")
    return url


def _digest(digest: str) -> str:
    if digest and not re.fullmatch("[0-9a-fA-F]{64}", digest):
        raise RecipeError(f"{digest!r} is no sha256", fix="give 64 hex digits, or nothing when it is not known yet")
    return digest.lower()


@dataclass(frozen=True, config=STRICT)
class Artifact(Resource):
    """A file downloaded by the host, over a mirror if one is set.

    Artifact("https://host/driver-1.2.run", "/var/cache/amiforge/driver-1.2.run", sha256="…", executable=True)

    Attributes:
        url: where it comes from.
        path: where it goes; with the version in its name, so that another version is another file.
        sha256: digest of the content in hex; one in amiforge.lock wins. Empty accepts what comes on first use, which
            amiforge.lock records and enforces from then on.
        signature: checked too, before the file gets its name; takes gpg on the host.
        executable: mode 0755 instead of 0644.
        timeout: seconds the download may take, tries included.
    """

    url: Annotated[str, AfterValidator(_url)]
    path: AbsolutePath
    sha256: Annotated[str, AfterValidator(_digest)] = ""
    signature: Signature | None = None
    executable: bool = False
    timeout: float = 3600

    @property
    def name(self) -> str:
        """`artifact /var/cache/amiforge/driver-1.2.run`."""
        return f"artifact {self.path}"

    @property
    def mode(self) -> str:
        """Mode of the file as octal digits."""
        return "0755" if self.executable else "0644"

    def queries(self, system: System) -> tuple[Query[FileState], ...]:
        """Ask what is at the path."""
        return (look_at(self.path),)

    def desired(self, system: System) -> State:
        """Give type, mode, and the digest, empty for any."""
        return {"type": "file", "sha256": system.digest(self.url, self.sha256), "mode": self.mode}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same of what is there; any content has the empty digest when no digest is known."""
        found = replies[look_at(self.path)]
        known = system.digest(self.url, self.sha256)
        return {
            "type": found.type,
            "sha256": (found.sha256 or None) if known or found.type != "file" else "",
            "mode": found.mode or None,
        }

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Download it, unless what is there has the right digest and only its mode differs."""
        summary = f"download {self.url}"
        digest = system.digest(self.url, self.sha256)
        known_as = "" if digest else self.url
        words = (system.mirrored(self.url), self.path, digest, self.mode, known_as, *self._signature(system))
        yield Change(summary, script(_DOWNLOAD, *words, summary=summary), job=True, timeout=self.timeout, prefetch=True)

    def downloads(self, system: System) -> Iterator[Download]:
        """Give the file, and the signature with its key."""
        yield Download("file", self.url, self.sha256, signed=self.signature is not None)
        if self.signature:
            yield Download("signature", self.signature.url, signed=True)
            yield Download("key", self.signature.key_url, self.signature.key_fingerprint)

    def _signature(self, system: System) -> tuple[str, str, str, str]:
        signed = self.signature
        if signed is None:
            return "", "", "", ""
        wanted = system.fingerprint(signed.key_url, signed.key_fingerprint)
        known_as = "" if wanted else signed.key_url
        return system.mirrored(signed.url), system.mirrored(signed.key_url), wanted, known_as
