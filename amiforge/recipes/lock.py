"""Filling amiforge.lock: downloads and keys of which the code knows nothing are fetched here, and recorded."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from amiforge.engine.download import Download
from amiforge.engine.lockfile import Lockfile
from amiforge.errors import ChecksumMismatch, Unreachable
from amiforge.resources.signing_key import fingerprints
from amiforge.systems.system import mirrored
from amiforge.systems.trust import Trust

#: Seconds without a byte until a transfer counts as dead.
SILENCE = 60

_PIECE = 1 << 18
_LONGEST_KEY = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one download.

    Attributes:
        status: `known` by the code, not fetched; `recorded` before, and still so; `added`; `changed` since it was
            recorded; `failed`, not fetched or no key.
        value: what it is now: sha256, fingerprint, or why it failed.
        was: what was recorded, where that is something else.
    """

    download: Download
    status: Literal["known", "recorded", "added", "changed", "failed"]
    value: str
    was: str = ""


def lock(
    downloads: Iterable[Download], lockfile: Lockfile, *, mirror: str = "", update: bool = False
) -> Iterator[Entry]:
    """Fetch every file and key that the code does not know, and record what they are, one after the other.

    What changed since it was recorded is only recorded anew with `update`.

    Raises:
        ConfigError: the lock file cannot be read or written.
    """
    for download in downloads:
        if download.kind in {"file", "key"}:
            entry = _entry(download, lockfile.trust(), mirror)
            if entry.status == "added" or (entry.status == "changed" and update):
                lockfile.record(_as_trust(entry))
            yield entry


def _entry(download: Download, trust: Trust, mirror: str) -> Entry:
    if download.known:
        return Entry(download, "known", download.known)
    was = download.proof(trust)
    try:
        now = fetch(download, mirror)
    except (Unreachable, ChecksumMismatch) as error:
        return Entry(download, "failed", error.message, was)
    if not was:
        return Entry(download, "added", now)
    return Entry(download, "recorded", now) if now == was else Entry(download, "changed", now, was)


def _as_trust(entry: Entry) -> Trust:
    values = {entry.download.url: entry.value}
    return Trust(digests=values) if entry.download.kind == "file" else Trust(fingerprints=values)


def fetch(download: Download, mirror: str = "") -> str:
    """Give the sha256 of a file, or the fingerprint of a key, as it is served now.

    Raises:
        Unreachable: it cannot be had.
        ChecksumMismatch: what is served as a key is none, or more than one.
    """
    with _opened(mirrored(download.url, mirror)) as answer:
        if download.kind == "file":
            return _sha256(answer, download.url)
        found = sorted(set(fingerprints(_read(answer, _LONGEST_KEY, download.url))))
    if len(found) != 1:
        raise ChecksumMismatch(f"{download.url}: wanted one armored OpenPGP key, got {', '.join(found) or 'none'}")
    return found[0]


def _sha256(answer: http.client.HTTPResponse, url: str) -> str:
    digest = hashlib.sha256()
    while piece := _read(answer, _PIECE, url):
        digest.update(piece)
    if answer.length:  # what is missing of the announced length; a short body alone raises nothing
        raise Unreachable(f"{url}: the transfer broke off")
    return digest.hexdigest()


def _read(answer: http.client.HTTPResponse, size: int, url: str) -> bytes:
    try:
        return answer.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{url}: the transfer broke off: {error}") from None


def _opened(address: str) -> Any:
    opener = urllib.request.build_opener(_NoDowngrade)
    try:
        return opener.open(address, timeout=SILENCE)
    except urllib.error.HTTPError as error:
        error.close()
        raise Unreachable(f"{address}: {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{address}: {getattr(error, 'reason', error)}") from None


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from https to anything else."""

    def redirect_request(self, req: urllib.request.Request, *rest: Any) -> urllib.request.Request | None:
        new = super().redirect_request(req, *rest)
        if new and req.type == "https" != new.type:
            raise urllib.error.URLError(f"redirected from https to {new.full_url}")
        return new
