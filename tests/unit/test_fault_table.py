"""The table of faults in the documentation, and the tests that inject them, name the same."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]


def rows(page: str = "faults.md") -> list[list[str]]:
    """Give the cells of each row of a page's table."""
    lines = (ROOT / "docs/explanation" / page).read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]


def injected() -> set[str]:
    """Give all that `@pytest.mark.fault` says in tests/faults."""
    calls = (
        node
        for path in (ROOT / "tests/faults").glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fault"
    )
    return {ast.literal_eval(call.args[0]) for call in calls}


def test_every_row_of_the_table_is_injected_by_a_test_and_every_test_has_a_row() -> None:
    names = [row[0] for row in rows()]
    assert len(names) > 30
    assert sorted(names) == sorted(injected())


def test_every_row_says_what_is_done_what_is_seen_and_what_is_left() -> None:
    assert all(len(row) == 4 and all(row) for row in rows())


def test_every_row_about_bakes_names_a_test_that_is_there() -> None:
    for row in rows("bake-faults.md"):
        assert len(row) == 5
        file, _, name = row[4].strip("`").partition("::")
        assert f"\ndef {name}(" in (ROOT / file).read_text()
