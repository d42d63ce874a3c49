"""Tables, drawn as wide as the terminal; as wide as their content where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from amiforge.cli.paragraph import wrapped

_WIDEST = 10_000
#: What stands between two columns.
_GAP = 3
#: A longer word, such as a whole sentence without spaces, may be cut.
_LONGEST_WORD = 40


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on standard output."""
    typer.echo(table(columns, rows))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Give a table as text. No word is cut, so that ids can be copied: what is too wide for that becomes a list."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDEST)
    found = [tuple(row) for row in rows]
    widths = _widths(columns, found, console.width - _GAP * (len(columns) - 1))
    if not widths:
        return "\n".join(_listed(columns, found, console.width))
    drawing = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column, width in zip(columns, widths, strict=True):
        drawing.add_column(column, overflow="fold", width=width)
    for row in found:
        drawing.add_row(*map(Text, row))
    with console.capture() as drawn:
        console.print(drawing)
    return "\n".join(line.rstrip() for line in drawn.get().splitlines())


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Give each column the room that it needs, or its share of what the words leave; nothing if they do not fit."""
    cells = [(column, *(row[number] for row in rows)) for number, column in enumerate(columns)]
    natural = [max(cell_len(line) for cell in each for line in cell.split("\n")) for each in cells]
    least = [
        min(max(cell_len(word) for cell in each for word in (cell.split() or ("",))), whole, _LONGEST_WORD)
        for each, whole in zip(cells, natural, strict=True)
    ]
    rest = room - sum(least)
    wanted = sum(natural) - sum(least)
    if rest < 0 or rest >= wanted:
        return [] if rest < 0 else natural
    return [few + (whole - few) * rest // wanted for few, whole in zip(least, natural, strict=True)]


def _listed(columns: Sequence[str], rows: Iterable[Sequence[str]], width: int) -> Iterator[str]:
    """Give every row as lines of its own, below its first cell."""
    names = max(map(len, columns))
    for number, row in enumerate(rows):
        yield from ("", row[0]) if number else (row[0],)
        for column, cell in zip(columns[1:], row[1:], strict=True):
            for place, line in enumerate(cell.split("\n") if cell else ()):
                yield from wrapped(f"  {'' if place else column:<{names}}  {line}", width, names + 4)
