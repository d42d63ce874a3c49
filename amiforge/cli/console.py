"""Where the events of a run go: a live tree on a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from amiforge.cli.lines import JsonLines, PlainLines
from amiforge.cli.tree import Tree
from amiforge.engine.discretion import Discreet
from amiforge.engine.events import Failed, Listener
from amiforge.errors import AmiforgeError
from amiforge.redaction import Redaction, secrets_in


@contextmanager
def listening(title: str, *, json: bool, aside: bool = False, hide: object = None) -> Iterator[Listener]:
    """Give the listener that shows one run under this title; an error that ends the run is shown there, and goes on.

    With `aside`, standard output is left to what comes of the run, and what people watch goes to standard error. The
    secrets that `hide` holds, a recipe for example, are masked in everything that is shown, and in the error.
    """
    redaction = Redaction(secrets_in(hide))
    stream = sys.stderr if aside and not json else sys.stdout
    console = Console(file=stream, highlight=False)
    if console.is_terminal and not json:
        with redaction.masking(), Tree(title, console) as tree:
            yield Discreet(tree.see, redaction)
        return
    see = Discreet(JsonLines(stream).see if json else PlainLines(stream).see, redaction)
    with redaction.masking():
        try:
            yield see
        except AmiforgeError as error:
            see(Failed(message=error.message, lines=error.lines))
            raise
