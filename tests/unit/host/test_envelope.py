from __future__ import annotations

import subprocess
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amiforge.host.envelope import Envelope, Stream, first_paragraph


def nonce(envelope: Envelope) -> bytes:
    return envelope.command.partition("echo ")[2].split()[0].encode()


def answered(envelope: Envelope, out: bytes, err: bytes = b"", status: int = 0, noise: bytes = b"") -> None:
    mark = nonce(envelope)
    for stream, own in (("stdout", out), ("stderr", err)):
        whole = noise + mark + b" begin 77\n" + own + mark + b" end %d\n" % status + b"late"
        envelope.feed(stream, whole)  # type: ignore[arg-type]


def test_only_what_stands_between_the_marks_is_output() -> None:
    envelope = Envelope("true", sudo=True)
    answered(envelope, b"out", b"err\n", status=7, noise=b"Welcome!\nno newline")
    assert envelope.ended
    assert envelope.begun
    assert envelope.pid == 77
    assert (envelope.output.status, envelope.output.stdout, envelope.output.stderr) == (7, b"out", b"err\n")


@given(own=st.binary(), cuts=st.lists(st.integers(0, 400)), status=st.integers(0, 255))
def test_output_is_exact_however_it_is_cut_into_pieces(own: bytes, cuts: list[int], status: int) -> None:
    envelope = Envelope("true", sudo=False)
    mark = nonce(envelope)
    # What shows our own command line, as ps does, is no mark.
    own += mark + b" begin $$; echo " + mark[:9]
    whole = b"noise" + mark + b" begin 1\n" + own + mark + b" end %d\n" % status
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[start:end] for start, end in pairwise(places)]
    streamed = b"".join(envelope.feed("stdout", piece) for piece in pieces)
    assert streamed == own
    assert envelope.output.stdout == own
    assert envelope.output.status == status


def test_end_without_begin_is_a_shell_that_never_came_up() -> None:
    envelope = Envelope("true", sudo=True)
    mark = nonce(envelope)
    envelope.feed("stdout", mark + b" end 1\n")
    envelope.feed("stderr", b"sudo: a password is required\n" + mark + b" end 1\n")
    assert envelope.ended
    assert not envelope.begun
    assert envelope.noise == "sudo: a password is required"


def test_one_stream_alone_is_not_the_end() -> None:
    envelope = Envelope("true", sudo=False)
    envelope.feed("stdout", nonce(envelope) + b" begin 1\n" + nonce(envelope) + b" end 0\n")
    assert not envelope.ended


def test_script_is_in_the_payload_and_not_in_the_command() -> None:
    envelope = Envelope("echo hunter2", sudo=True)
    assert b"hunter2" in envelope.payload
    assert "hunter2" not in envelope.command
    assert "sudo -n sh -c" in envelope.command
    assert "sudo" not in Envelope("true", sudo=False).command


def test_command_has_nothing_that_another_family_of_shells_reads_differently() -> None:
    assert not set("\\!\n`") & set(Envelope("x", sudo=True).command)


@pytest.mark.parametrize(
    ("printed", "paragraph"),
    [
        (b"", None),
        (b"a\n", None),
        (b"a\nb\n\n", b"a\nb\n"),
        (b"a\n\nlater\n\n", b"a\n"),
        (b"\nlater", b""),
        (b"a\n ", None),
    ],
)
def test_first_paragraph_ends_at_the_first_empty_line(printed: bytes, paragraph: bytes | None) -> None:
    assert first_paragraph(printed) == paragraph


@pytest.mark.shell
@pytest.mark.parametrize(
    ("script", "status", "out"),
    [
        ("", 0, b""),
        ("# only a comment", 0, b""),
        ("exit 9", 9, b""),
        ("false", 1, b""),
        ("cat <<'END'\n}\n$x\nEND", 0, b"}\n$x\n"),
        ("echo before\nif", 2, b""),
        ('read -r line; echo "[$line]"', 0, b"[]\n"),
        ('echo "$LC_ALL $(umask) $PWD"', 0, b"C 0022 /\n"),
        ("kill -9 $$", 137, b""),
    ],
)
def test_real_shell_runs_the_script_and_nothing_of_it_if_it_is_broken(script: str, status: int, out: bytes) -> None:
    envelope = run(Envelope(script, sudo=False))
    assert envelope.ended
    assert (envelope.output.status, envelope.output.stdout) == (status, out)


@pytest.mark.shell
def test_script_cut_on_its_way_runs_not_at_all() -> None:
    envelope = Envelope("echo one\necho two\n", sudo=False)
    run(envelope, envelope.payload[:-8])
    assert envelope.output.stdout == b""
    assert envelope.output.status == 2


def run(envelope: Envelope, payload: bytes | None = None) -> Envelope:
    done = subprocess.run(envelope.argv, input=payload or envelope.payload, capture_output=True, check=False)
    streams: tuple[tuple[Stream, bytes], ...] = (("stdout", done.stdout), ("stderr", done.stderr))
    for stream, data in streams:
        envelope.feed(stream, data)
    return envelope
