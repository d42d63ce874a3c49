from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amiforge.resources.signing_key import fingerprints

#: Made by GnuPG 2.2 for this test: an ed25519 primary key with a cv25519 subkey.
KEY = """-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawQrGhYJKwYBBAHaRw8BAQdA8WW+JtDsAMJhmRWRpxQRGhfnsDAML7f5T7Q/
Mn5BbZy0FlZlbmRvciA8dkBleGFtcGxlLmNvbT6IkAQTFggAOBYhBOwrjgzQIuAU
eAMAq80hvS6nGr5+BQJrBCsaAhsjBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheAAAoJ
EM0hvS6nGr5+apsA/iYHhEbeZFFsvJhp2st12i2y8F8fBHVQpDMt8g4kV3x8AQCT
ntvm2YAQF9JH4Wnp/CpMxGFlhSHBFJeLji3Xgu6+Crg4BGsEKxoSCisGAQQBl1UB
BQEBB0AOIeEeKmqL/IHJeNDOOQ+GhrNu5L4A6HJCHqsCeXZNDgMBCAeIeAQYFggA
IBYhBOwrjgzQIuAUeAMAq80hvS6nGr5+BQJrBCsaAhsMAAoJEM0hvS6nGr5+3a4A
/0Gjv+o8sWj70gCKyTly5N7HbbCfvLPrR9FJRHXwfd8WAQD6mEnd7TCjv2PME62P
TePS02vxEKOiIzE9Z8we3OBIBQ==
=UHmk
-----END PGP PUBLIC KEY BLOCK-----
"""
FINGERPRINT = "EC2B8E0CD022E014780300ABCD21BD2EA71ABE7E"


def test_the_fingerprint_is_the_primary_keys_as_gnupg_shows_it() -> None:
    assert fingerprints(KEY.encode()) == (FINGERPRINT,)


def test_every_key_in_a_file_counts_and_comments_and_line_ends_do_not() -> None:
    commented = KEY.replace("BLOCK-----\n\n", "BLOCK-----\r\nComment: ours\r\n\r\n", 1).replace("\n", "\r\n")
    assert fingerprints((KEY + "between\n" + commented).encode()) == (FINGERPRINT, FINGERPRINT)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"\x98\x06", b"\x04abcde"),
        (b"\x99\x00\x06", b"\x04abcde"),
        (b"\x9a\x00\x00\x00\x06", b"\x04abcde"),
        (b"\xc6\x06", b"\x04abcde"),
        (b"\xc6\xc0\x08", b"\x04" + b"a" * 199),
        (b"\xc6\xff\x00\x00\x00\x06", b"\x04abcde"),
    ],
    ids=["old 1", "old 2", "old 4", "new 1", "new 2", "new 5"],
)
def test_packet_lengths_come_in_all_sizes(header: bytes, body: bytes) -> None:
    assert len(fingerprints(armored(header + body))) == 1


def test_a_key_that_was_cut_short_is_none() -> None:
    assert fingerprints(armored(b"\x98\x20\x04abc")) == ()


@given(st.binary(max_size=200))
def test_garbage_has_no_fingerprints_and_raises_nothing(garbage: bytes) -> None:
    assert fingerprints(garbage) == ()
    assert isinstance(fingerprints(armored(garbage)), tuple)


def armored(packets: bytes) -> bytes:
    begin, end = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"
    return f"{begin}\n\n{base64.b64encode(packets).decode()}\n{end}\n".encode()
