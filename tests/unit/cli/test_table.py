from __future__ import annotations

import pytest

from amiforge.cli.paragraph import paragraphs, wrapped
from amiforge.cli.table import table
from amiforge.engine.display import clean

AMI = "ami-79519935447844126"
ROW = ("20261123-214424-3st1", AMI, "the copy is there, and nobody may use it yet")


@pytest.fixture(params=[40, 66, 80, 160])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Give the width of what rich takes for a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("TERM", "xterm")
    width: int = request.param
    return width


def test_no_word_is_cut_and_nothing_is_wider_than_the_terminal(terminal: int) -> None:
    lines = [clean(line) for line in table(("run", "image", "status"), [ROW, (ROW[0], "-", "")]).splitlines()]
    assert max(map(len, lines)) <= terminal
    drawn = "\n".join(lines)
    assert [word for cell in ROW for word in cell.split() if word not in drawn.split()] == []
    assert ("─" in drawn) == (terminal > 60)


def test_what_does_not_fit_is_a_list_with_a_line_for_each_column(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "40", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    assert table(("run", "image", "said"), [ROW, ("r2", "-", "a\nb")]).splitlines() == [
        "20261123-214424-3st1",
        f"  image  {AMI}",
        "  said   the copy is there, and nobody",
        "         may use it yet",
        "",
        "r2",
        "  image  -",
        "  said   a",
        "         b",
    ]


def test_without_a_terminal_everything_is_as_wide_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    text = "word " * 50
    assert text.strip() in table(("a", "b"), [("x", text)])
    assert list(paragraphs([text])) == [text]


def test_the_rest_of_a_long_line_is_indented(terminal: int) -> None:
    lines = list(paragraphs(["  name  " + "word " * 40], 8))
    assert max(map(len, lines)) <= terminal
    assert {len(line) - len(line.lstrip()) for line in lines[1:]} == {8}
    columns = list(paragraphs(["    version  1.2  " + "word " * 40]))
    assert {len(line) - len(line.lstrip()) for line in columns[1:]} == {18}
    assert wrapped("a https://example.com/a-very/long-address", 20, 2) == [
        "a",
        "  https://example.com/a-very/long-address",
    ]
