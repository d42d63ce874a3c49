"""Tables, drawn as wide as the terminal; as wide as their content where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDEST = 10_000


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on standard output."""
    typer.echo(table(columns, rows))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Give a table as text."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDEST)
    drawing = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        drawing.add_column(column, overflow="fold")
    for row in rows:
        drawing.add_row(*map(Text, row))
    with console.capture() as drawn:
        console.print(drawing)
    return "\n".join(line.rstrip() for line in drawn.get().splitlines())
