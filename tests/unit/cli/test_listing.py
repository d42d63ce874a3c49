from __future__ import annotations

from collections.abc import Sequence

import pytest

from amiforge.cli.listing import listing

COLUMNS = ("name", "state", "age", "places")
ROWS = [("a-rather-long-name-of-an-image", "published", "3 d", "us-east-1\nus-west-2"), ("b", "failed", "400 d", "-")]


def drawn(monkeypatch: pytest.MonkeyPatch, width: int, rows: Sequence[Sequence[str]] = ROWS) -> list[str]:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    return listing(COLUMNS, rows).splitlines()


def test_where_it_fits_it_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = drawn(monkeypatch, 60)
    assert lines[2:] == [
        "a-rather-long-name-of-an-image  published  3 d    us-east-1",
        "                                                  us-west-2",
        "b                               failed     400 d  -",
    ]


@pytest.mark.parametrize("width", [32, 40, 58])
def test_where_it_does_not_fit_each_name_stands_above_its_columns(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    lines = drawn(monkeypatch, width)
    assert lines[0] == "name"
    assert lines[1].split() == ["state", "age", "places"]
    assert lines[3:] == [
        "a-rather-long-name-of-an-image",
        "  published  3 d    us-east-1",
        "                    us-west-2",
        "b",
        "  failed     400 d  -",
    ]


@pytest.mark.parametrize("width", range(12, 110, 7))
def test_it_is_never_wider_than_the_terminal_and_loses_nothing(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    rows = [("x" * 30, "keep: the newest, shared with 111122223333", "3 d", "us-east-1")]
    lines = drawn(monkeypatch, width, rows)
    assert all(len(line) <= width for line in lines)
    text = "".join(lines)
    assert all(text.count(letter) >= "".join(rows[0]).count(letter) for letter in "x1kd3")


def test_sentences_give_way_before_names_do(monkeypatch: pytest.MonkeyPatch) -> None:
    *_, first, second = drawn(monkeypatch, 50, [("a" * 20, "published", "3 d", "one two three")])
    assert first.split() == ["a" * 20, "published", "3", "d", "one", "two"]
    assert second.split() == ["three"]


def test_without_a_terminal_each_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert listing(COLUMNS, ROWS).splitlines()[2].endswith("us-east-1, us-west-2")
