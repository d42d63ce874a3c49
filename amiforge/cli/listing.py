"""Lists of things with long names: a table where it fits, else each name on a line of its own above its columns."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

_GAP = 2
#: A column of this width, as one of ages, is not narrowed.
_NARROW = 6


def print_listing(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows on standard output. A cell may have several lines; the first column holds the names."""
    typer.echo(listing(columns, rows))


def listing(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give rows as text, as wide as the terminal; one line a row where there is none."""
    console = Console(highlight=False)
    if not console.is_terminal:
        rows = [[cell.replace("\n", ", ") for cell in row] for row in rows]
    everything = [columns, *rows]
    room = console.width if console.is_terminal else _total(_widths(everything))
    widths = _fitted(everything, room)
    if _total(widths) <= room:
        drawn: RenderableType = Group(_line(columns, widths), Rule(style=""), *(_line(row, widths) for row in rows))
    else:
        drawn = _stacked(columns, rows, room)
    page = Console(highlight=False, width=room)
    with page.capture() as text:
        page.print(drawn)
    return "\n".join(line.rstrip() for line in text.get().splitlines())


def _stacked(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> RenderableType:
    widths = _fitted([columns[1:], *(row[1:] for row in rows)], room - _GAP)
    while _total(widths) > room - _GAP and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1

    def below(cells: Sequence[str]) -> RenderableType:
        return Padding(_line(cells, widths), (0, 0, 0, _GAP))

    lines = [part for row in rows for part in (Text(row[0], overflow="fold"), below(row[1:]))]
    return Group(Text(columns[0]), below(columns[1:]), Rule(style=""), *lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> Table:
    line = Table.grid(padding=(0, _GAP, 0, 0))
    for width in widths:
        line.add_column(width=width, overflow="fold")
    line.add_row(*map(Text, cells))
    return line


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(cell_len(line) for cell in column for line in (cell.split("\n"))) for column in zip(*rows, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _fitted(rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Give the widths of columns, narrowed at the spaces in their cells, the widest first, as far as there is need."""
    widths = _widths(rows)
    least = [
        width if width <= _NARROW else max(cell_len(word) for cell in column for word in (cell.split() or [""]))
        for width, column in zip(widths, zip(*rows, strict=True), strict=True)
    ]
    while _total(widths) > room and widths != least:
        widest = max(range(len(widths)), key=lambda column: (widths[column] > least[column], widths[column]))
        widths[widest] -= 1
    return widths
