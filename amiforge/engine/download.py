"""What hosts fetch from outside, and what proves that it is what it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from amiforge.systems.trust import Trust


@dataclass(frozen=True, slots=True)
class Download:
    """Something that a host fetches from outside.

    Attributes:
        kind: a `file`; the `signature` of one; the signing `key` of such signatures or of a repository; a `repository`
            of packages; a `checkout` of a git repository; an `index` of Python packages, which nothing proves.
        url: its own address, whether or not a mirror is set.
        known: what the code knows it by: sha256 of a file, fingerprint of a key, commit of a checkout; else empty.
        signed: a signature is checked, by a key that is a download of its own.
    """

    kind: Literal["file", "signature", "key", "repository", "checkout", "index"]
    url: str
    known: str = ""
    signed: bool = False

    def proof(self, trust: Trust) -> str:
        """Give what it must be, as a digest, fingerprint or commit; empty when nothing is known."""
        if self.kind == "file":
            return trust.digest(self.url, self.known)
        if self.kind == "key":
            return trust.fingerprint(self.url, self.known)
        return self.known

    def proven(self, trust: Trust) -> bool:
        """Tell whether another content than the right one would be noticed."""
        return self.signed or bool(self.proof(trust))
