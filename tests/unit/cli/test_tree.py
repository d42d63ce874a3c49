from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from amiforge.cli.board import Row
from amiforge.cli.tree import Tree, fit, render
from amiforge.engine.events import StepFinished, StepStarted

LONG = Row(
    "bake",
    started=0,
    rows=[
        Row("find", state="done", seconds=0.5, detail="ami-0123456789abcdef0 with a name that is much too long " * 3),
        Row(
            "provision",
            started=10,
            rows=[Row("efa", started=12, detail="install\nefa"), Row("lustre", state="pending")],
        ),
    ],
)


@pytest.mark.parametrize("width", [40, 80, 160])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    LONG.rows[1].rows[0].tail.extend(["output " * 40, "中文" * 100])
    assert max(line.cell_len for line in render(LONG, 20, width)) < width


def test_each_row_shows_its_place_what_it_is_at_and_its_time() -> None:
    LONG.rows[1].rows[0].tail.clear()
    lines = [line.plain for line in render(LONG, 20, 60)]
    assert [" ".join(line.split()) for line in lines] == [
        "⠋ bake 20 s",
        "✓ find ami-0123456789abcdef0 with a name that is… 0.5 s",
        "⠋ provision 10 s",
        "⠋ efa install efa 8.0 s",
        "· lustre",
    ]
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 2, 4, 4]


def test_the_end_of_a_tree_taller_than_the_terminal_is_kept_below_its_title() -> None:
    lines = [Text(str(number)) for number in range(10)]
    assert [line.plain for line in fit(lines, 5)] == ["0", "  … 6 lines above", "7", "8", "9"]
    assert fit(lines, 10) == lines
    assert [line.plain for line in fit(lines, 1)] == ["9"]


def test_the_finished_tree_stays_on_the_screen_whole() -> None:
    screen = io.StringIO()
    with Tree("bake eks_gpu", Console(file=screen, force_terminal=True, color_system=None, width=60, height=5)) as tree:
        for number in range(9):
            tree.see(StepStarted(step=f"step {number}"))
            tree.see(StepFinished(step=f"step {number}", seconds=1))
    text = screen.getvalue().rpartition("bake eks_gpu")[2]
    assert [f"step {number}" in text for number in range(9)] == [True] * 9
    assert text.count("✓") == 9


def test_a_failure_marks_the_step_it_came_from() -> None:
    screen = io.StringIO()
    tree = Tree("bake", Console(file=screen, force_terminal=True, color_system=None, width=60))
    with tree:
        tree.see(StepStarted(step="launch"))
        tree.__exit__(RuntimeError, RuntimeError(), None)
    assert "✗ launch" in screen.getvalue()
