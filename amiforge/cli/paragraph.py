"""Long lines of text on terminals: wrapped at words, with what follows indented."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator

from rich.console import Console

#: How much further than itself a line's rest is indented.
_FURTHER = 4


def paragraphs(lines: Iterable[str], indent: int | None = None) -> Iterator[str]:
    """Give lines as a terminal shows them best; whole where there is no terminal.

    Args:
        lines: with the indent that they have.
        indent: where the rest of a long line begins; if not said, below its last column, or somewhat further than the
            line itself.
    """
    console = Console()
    for line in lines:
        if not console.is_terminal or len(line) <= console.width:
            yield line
        else:
            yield from wrapped(line, console.width, _column(line, console.width * 2 // 3) if indent is None else indent)


def _column(line: str, most: int) -> int:
    """Give where the last column of a line begins: after two spaces or more."""
    gaps = [gap.end() for gap in re.finditer(r"(?<=\S) {2,}", line[:most])]
    return gaps[-1] if gaps else len(line) - len(line.lstrip()) + _FURTHER


def wrapped(line: str, width: int, indent: int) -> list[str]:
    """Give a line in pieces of at most this width; words stay whole, so that ids and addresses can be copied."""
    return textwrap.wrap(
        line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False, tabsize=4
    )
