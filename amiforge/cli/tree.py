"""The live tree of a run, for terminals."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from amiforge.cli.board import Board, Row, State
from amiforge.engine.display import clock
from amiforge.engine.events import Event

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_GLYPHS: dict[State, tuple[str, str]] = {
    "pending": ("·", "dim"),
    "done": ("✓", "green"),
    "changed": ("✓", "yellow"),
    "failed": ("✗", "bold red"),
    "skipped": ("-", "dim"),
    "note": ("•", "cyan"),
}
_NARROWEST = 40


class Tree:
    """Draws a board while it grows, and leaves the finished tree behind. A context; `see` is its listener."""

    def __init__(self, title: str, console: Console) -> None:
        self._board = Board(title, time.time())
        self._console = console
        self._lock = threading.Lock()
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        self._board.finish("failed" if kind else "done", time.time())
        for line in render(self._board.root, time.time(), self._console.width):
            self._console.print(line, no_wrap=True, crop=True)

    def see(self, event: Event) -> None:
        """Take in one event, from any thread."""
        with self._lock:
            self._board.see(event)

    def _draw(self) -> Group:
        with self._lock:
            lines = render(self._board.root, time.time(), self._console.width)
        return Group(*fit(lines, self._console.height - 1))


def render(root: Row, now: float, width: int) -> list[Text]:
    """Give the tree as one line a row: glyph, title, what it is at, and on the right the time it takes or took."""
    return [line for row, depth in _walk(root, 0) for line in _lines(row, depth, now, max(width, _NARROWEST))]


def fit(lines: list[Text], height: int) -> list[Text]:
    """Give at most so many lines: the title, and as much of the end as there is room for."""
    if len(lines) <= height or height < 3:  # noqa: PLR2004 - title, gap, one line
        return lines[-max(height, 1) :]
    kept = lines[-(height - 2) :]
    gap = Text(f"  … {len(lines) - len(kept) - 1} lines above", style="dim")
    return [lines[0], gap, *kept]


def _walk(row: Row, depth: int) -> Iterator[tuple[Row, int]]:
    yield row, depth
    for below in row.rows:
        yield from _walk(below, depth + 1)


def _lines(row: Row, depth: int, now: float, width: int) -> Iterator[Text]:
    glyph, style = _GLYPHS.get(row.state, (_SPINNER[int(now * 8) % len(_SPINNER)], "bold cyan"))
    seconds = now - row.started if row.started is not None and row.seconds is None else row.seconds
    took = "" if seconds is None else clock(seconds)
    room = width - 2 * depth - 2 - len(took) - 2
    title = _cut(row.title, room)
    detail = _cut((row.doing or row.detail).replace("\n", " "), room - cell_len(title) - 2)
    line = Text("  " * depth)
    line.append(f"{glyph} ", style)
    line.append(title, "bold" if row.state == "running" else style if row.state in {"failed", "pending"} else "")
    if detail:
        line.append(f"  {detail}", "red" if row.state == "failed" else "dim")
    line.append(" " * (width - line.cell_len - len(took) - 1))
    line.append(took, "dim" if row.state != "running" else "cyan")
    yield line
    for text in row.tail:
        yield Text("  " * depth + "  │ ", "dim").append(_cut(text, width - 2 * depth - 6), "dim")


def _cut(text: str, room: int) -> str:
    if room < 2:  # noqa: PLR2004 - no room for a letter and an ellipsis
        return ""
    return text if cell_len(text) <= room else set_cell_size(text, room - 1).rstrip() + "…"
