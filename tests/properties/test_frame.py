"""The frame keeps every part's output and status, whatever the parts print or do."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amiforge.engine.frame import Part, change, decode, encode, new_nonce
from amiforge.errors import ConnectionLost
from amiforge.shell import script

NONCE = "amiforge-0123456789abcdef0123456789abcdef"

# Bytes that come close to a frame's own: the nonce, parts of it, line ends, nothing at all.
PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"\n", NONCE.encode(), f"\n{NONCE[:-1]} 0 0\n".encode(), b"\r\n", b"\0", b"x" * 5000]),
)


def stream(bodies: list[tuple[bytes, int]]) -> bytes:
    mark = NONCE.encode()
    parts = b"".join(body + b"\n" + mark + b" %d\n" % status for body, status in bodies)
    return mark + b" begin\n" + parts + mark + b" end\n"


@given(st.lists(st.tuples(PIECES, st.integers(0, 255)), max_size=6), st.binary(max_size=50))
def test_decoding_gives_back_what_was_encoded(bodies: list[tuple[bytes, int]], noise: bytes) -> None:
    bodies = [(body.replace(f"\n{NONCE} ".encode(), b""), status) for body, status in bodies]
    answers = decode(noise + stream(bodies), b"", NONCE)
    assert [(answer.stdout, answer.status) for answer in answers] == bodies


@given(st.lists(st.tuples(PIECES, st.integers(0, 255)), min_size=1, max_size=4), st.data())
def test_a_stream_cut_anywhere_is_a_lost_connection(bodies: list[tuple[bytes, int]], data: st.DataObject) -> None:
    whole = stream(bodies)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ConnectionLost):
        decode(whole[:cut], b"", NONCE)


def run(parts: list[Part], shell: str = "sh") -> list[tuple[int, bytes, bytes]]:
    nonce = new_nonce()
    done = subprocess.run([shell, "-s"], input=encode(parts, nonce).encode(), capture_output=True, check=True)
    return [(answer.status, answer.stdout, answer.stderr) for answer in decode(done.stdout, done.stderr, nonce)]


@pytest.mark.shell
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_parts_that_misbehave_harm_nobody_else(shell: str) -> None:
    bad = ["exit 3", "exec false", "set -e; false", "cat", "kill -9 $$; sleep 1", "echo 'unfinished"]
    parts = [Part(script(text).text()) for text in bad[:4]] + [Part("echo fine; echo trouble >&2")]
    answers = run(parts, shell)
    assert [status for status, _, _ in answers] == [3, 1, 1, 0, 0]
    assert answers[-1] == (0, b"fine\n", b"trouble\n")
    assert run([Part(script(bad[5]).text()), Part("echo next")], shell)[-1] == (0, b"next\n", b"")


@pytest.mark.shell
def test_nothing_runs_after_a_change_that_failed() -> None:
    answers = run([change(script("echo one")), change(script("echo two; exit 4")), Part("echo never")])
    assert [(status, out) for status, out, _ in answers] == [(0, b"one\n"), (4, b"two\n")]


@pytest.mark.shell
def test_five_megabytes_come_through_whole() -> None:
    [(status, out, _)] = run([Part("head -c 5242880 /dev/zero")])
    assert (status, len(out)) == (0, 5_242_880)
