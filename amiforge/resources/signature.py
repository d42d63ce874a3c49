"""Detached OpenPGP signatures of downloads."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.failure import CHECKSUM_MISMATCH
from amiforge.engine.lockfile import RECORDED_KEY
from amiforge.errors import RecipeError
from amiforge.resources.strict import STRICT

#: Defines `check_signature FILE SIGNATURE KEY WANTED HOME KNOWN_AS`: whether the key with the WANTED fingerprint, any
#: when it is empty, made the signature of the file from `$url`. Prints, for the record, a fingerprint nobody knew.
#:
#: gpg makes a keyring of the key rather than importing it: the gnupg2-minimal of Amazon Linux 2023 has neither gpgv nor
#: gpg-agent, and an import without an agent fails. Amazon Linux 2 has GnuPG 2.0, so newer options are out.
CHECK_SIGNATURE = rf"""
check_signature() {{
  command -v gpg >/dev/null 2>&1 || {{ echo 'gpg is not installed' >&2; return 127; }}
  if grep -q '^-----BEGIN PGP' "$3"; then
    gpg --batch --quiet --homedir "$5" --dearmor <"$3" >"$5/keyring" || return
  else
    cp -- "$3" "$5/keyring" || return
  fi
  said=$(gpg --batch --quiet --homedir "$5" --no-default-keyring --keyring "$5/keyring" --trust-model always \
    --status-fd 1 --verify "$2" "$1" 2>/dev/null)
  status=$? signer= good= wrong='no signature'
  while read -r _ word id rest; do
    case $word in
    GOODSIG) good=yes ;;
    VALIDSIG) signer=${{rest##* }} ;;
    BADSIG) wrong="a signature that does not fit the content" ;;
    EXPSIG | EXPKEYSIG) wrong="a signature that expired, or by a key that did: $id" ;;
    REVKEYSIG) wrong="a signature by the revoked key $id" ;;
    NO_PUBKEY) wrong="a signature by another key, $id" ;;
    esac
  done <<END
$said
END
  [ "$status" -eq 0 ] && [ -n "$good" ] && [ -n "$signer" ] || signer=
  [ -z "$signer" ] || wrong="one by $signer"
  [ -n "$signer" ] && [ "$signer" = "${{4:-$signer}}" ] || {{
    printf '{CHECKSUM_MISMATCH} %s: wanted a signature by the key %s, got %s\n' \
      "$url" "${{4:-at its address}}" "$wrong" >&2
    return 65
  }}
  [ -n "$4" ] || printf '{RECORDED_KEY} %s %s\n' "$signer" "$6"
}}
"""


def as_key_url(given: str) -> str:
    """Give an address of a signing key as it is.

    Raises:
        RecipeError: it is none, or plain http.
    """
    if not re.fullmatch(r"https://[^\s/]+/[\x21-\x7e]+", given):
        raise RecipeError(f"{given!r} is no address of a signing key", fix="write it as https://host/path")
    return given


def as_fingerprint(given: str) -> str:
    """Give a fingerprint as gpg prints it: 40 hexadecimal digits in upper case; an empty one stays empty.

    Raises:
        RecipeError: it is none.
    """
    digits = given.replace(" ", "").upper()
    if digits and not re.fullmatch(r"[0-9A-F]{40}", digits):
        raise RecipeError(f"{given!r} is no fingerprint of a key", fix="give all 40 hexadecimal digits")
    return digits


def _url(given: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+/[\x21-\x7e]+", given):
        raise RecipeError(f"{given!r} is no address of a signature", fix="write it as https://host/path.sig")
    return given


@dataclass(frozen=True, config=STRICT)
class Signature:
    """A detached OpenPGP signature, as vendors put beside their downloads.

    Signature(f"{url}.sig", "https://vendor.example/key.asc", "4E90 91BC BB97 A96B 26B1 5E59 A054 80B1 DD2D 3CCC")

    Attributes:
        url: where the signature is.
        key_url: where the key is that made it.
        key_fingerprint: its primary key's 40 hexadecimal digits, spaces allowed; empty trusts what `key_url` gives on
            first use, which amiforge.lock records and enforces from then on.
    """

    url: Annotated[str, AfterValidator(_url)]
    key_url: Annotated[str, AfterValidator(as_key_url)]
    key_fingerprint: Annotated[str, AfterValidator(as_fingerprint)] = ""
