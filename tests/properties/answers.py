"""What a host may answer: sense, nonsense, and sense with nonsense in it."""

from __future__ import annotations

from hypothesis import strategies as st

from amiforge.engine.query import Answer

#: Pieces that are looked for in one answer or another, and numbers that are none.
_PIECES = rb"\n \n\n \t = \x20 \x20\x20 : \\ \0 \r\n \x85 \xff \xd9\xa3 0 1 -1 +1 nan inf 1e999 0x1 9999999999999999999"
_SEPARATORS = rb"\x1e \x1e0\n \n\x1e0\n \n\x1e100\n \n\x1e9\n \n\x1e\n [1 {} null {"
#: Rows of answers to our queries, and some that are damaged.
_ROWS = rb"""
stat 81a4 0 0 root root 3 1700000000.5 /etc/x
stat 41ed 0 0 root root 3 1,5 /etc
stat zz 0 0 root root 3 1 /etc/x
stat 81a4 0 0 root root x nan /etc/x
link /etc/x\t/y
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  /etc/x
loaded nvidia
blacklisted nouveau
1.5 17.5
LoadState=loaded
ActiveState=active
UnitFileState=enabled
ExecMainStartTimestampMonotonic=12
ActiveEnterTimestampMonotonic=n/a
package jq is not installed
jq\t0\t1.7\t1\tx86_64
kernel 6.12.110-135.202.amzn2023.x86_64
warning: x
ii \tjq\t1.7
hi \tjq\t1.7
dpkg-query: no packages found matching jq
jq:\n  Installed: (none)\n  Candidate: 1.7
jq.x86_64   1.7-1   amazonlinux
0 YQ==
0 !
os amzn 2023
os ubuntu 24.04
os x
arch x86_64
arch z80
boot_id b
user ec2-user
pci 10de:2330
root:x:0:0::/root:/bin/sh
root:x
wheel:x:10:root
{"a": 1}
e30=
absent
"""


def _unescaped(text: bytes) -> bytes:
    return text.decode("unicode_escape").encode("latin-1")


PIECES = [_unescaped(piece) for piece in (_PIECES + b" " + _SEPARATORS).split(b" ")]
ROWS = [_unescaped(row) + b"\n" for row in _ROWS.strip().splitlines()]

PRINTED = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(st.sampled_from(ROWS), st.sampled_from(PIECES), st.binary(max_size=4)), max_size=12).map(
        b"".join
    ),
)
ANSWERS = st.builds(
    Answer,
    status=st.one_of(st.sampled_from([0, 1, 100, 124]), st.integers(0, 255)),
    stdout=PRINTED,
    stderr=st.one_of(st.just(b""), PRINTED),
)
