"""What is known of downloads and of signing keys before they are fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Trust:
    """Digests and fingerprints that a lock file, or the sandbox's mirror, holds; they win over what the code knows.

    Attributes:
        digests: sha256 in hex by the address of a download.
        fingerprints: 40 upper-case hexadecimal digits by the address of an OpenPGP key.
    """

    digests: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    def digest(self, url: str, known: str = "") -> str:
        """Give the sha256 that a download must have: the one held here, else the known one, else nothing."""
        return self.digests.get(url, known)

    def fingerprint(self, key_url: str, known: str = "") -> str:
        """Give the fingerprint that a signing key must have, likewise."""
        return self.fingerprints.get(key_url, known)


#: Nothing is known beyond what the code says: the rest counts as good when it is seen for the first time.
FIRST_USE = Trust()
