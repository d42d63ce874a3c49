"""Long lines of text on terminals: wrapped at words, with what follows indented."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from rich.console import Console

#: How much further than itself a line's rest is indented.
_FURTHER = 4


def paragraphs(lines: Iterable[str], indent: int | None = None) -> Iterator[str]:
    """Give lines as a terminal shows them best; whole where there is no terminal.

    Args:
        lines: with the indent that they have.
        indent: where the rest of a long line begins; somewhat further than the line itself, if not said.
    """
    console = Console()
    for line in lines:
        if not console.is_terminal or len(line) <= console.width:
            yield line
        else:
            own = len(line) - len(line.lstrip()) + _FURTHER if indent is None else indent
            yield from wrapped(line, console.width, min(own, console.width // 2))


def wrapped(line: str, width: int, indent: int) -> list[str]:
    """Give a line in pieces of at most this width; words stay whole, so that ids and addresses can be copied."""
    return textwrap.wrap(
        line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False, tabsize=4
    )
