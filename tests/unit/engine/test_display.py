from __future__ import annotations

import pytest

from amiforge.engine.display import Lines, clean, clock


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[1;32mgreen\x1b[0m", "green"),
        ("10%\r50%\r100%", "100%"),
        ("done\r", "done"),
        ("\x1b]0;title\x07text", "text"),
        ("a\tb", "a       b"),
        ("bell\x07\x00 and \x9b31m", "bell and 31m"),
        ("trailing   ", "trailing"),
    ],
)
def test_output_is_shown_as_a_terminal_would_leave_it(line: str, shown: str) -> None:
    assert clean(line) == shown


def test_output_in_pieces_becomes_whole_lines() -> None:
    lines = Lines()
    pieces = ["par", "tial\r", "\nsecond\n\nthi", "rd"]
    assert [lines.feed(piece) for piece in pieces] == [[], [], ["partial", "second"], []]
    assert lines.feed("\n") == ["third"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (42.4, "42 s"), (59.9, "1:00"), (187, "3:07"), (3729, "1:02:09")],
)
def test_times_are_written_as_people_read_them(seconds: float, text: str) -> None:
    assert clock(seconds) == text
