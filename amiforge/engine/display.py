"""Text as people are shown it, on a terminal or a page: programs' output without its control sequences, and times."""

from __future__ import annotations

import re

#: Terminal control sequences (ECMA-48 CSI and OSC) and all other control characters but the line end and tab.
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Lines:
    """Cuts output that comes in pieces into lines that are safe to show: no control sequences, no overwritten text."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """Give the lines that are complete now."""
        *whole, self._rest = (self._rest + text).replace("\r\n", "\n").split("\n")
        return [line for line in map(clean, whole) if line]

    @property
    def rest(self) -> str:
        """The line that has no end yet."""
        return clean(self._rest)


def clean(line: str) -> str:
    """Give what a terminal would show of one line: what follows its last carriage return, without control sequences."""
    return _CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2]).expandtabs().rstrip()


def clock(seconds: float) -> str:
    """Give a length of time as people read it: `0.4 s`, `42 s`, `3:07`, `1:02:09`."""
    if seconds < 9.95:  # noqa: PLR2004 - would round to 10.0
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
