"""The table: one row a budget, with what it was measured against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

HEAD = ("measure", "budget", "amiforge", "compared with", "ratio", "verdict")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `met` is None for what was not measured, or has no budget."""

    measure: str
    budget: str
    amiforge: str
    compared: str = ""
    ratio: str = ""
    met: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """Every cell, in the order of the head."""
        verdict = {True: "met", False: "**missed**", None: "-"}[self.met]
        return (self.measure, self.budget, self.amiforge, self.compared, self.ratio, verdict)


def faster(measure: str, ours: float, peer: str, theirs: float, *, least: float) -> Row:
    """Give the row for: at least so many times faster than a peer. Seconds."""
    ratio = theirs / ours
    budget = f"faster than {peer}" if least == 1 else f"≥ {least:g}x faster than {peer}"
    return Row(measure, budget, seconds(ours), f"{peer} {seconds(theirs)}", f"{ratio:.1f}x", ratio >= least)


def within(measure: str, ours: float, peer: str, theirs: float, *, most: float) -> Row:
    """Give the row for: at most so many times a peer's time. Seconds."""
    ratio = ours / theirs
    return Row(
        measure,
        f"≤ {most:g}x {peer}'s time",
        seconds(ours),
        f"{peer} {seconds(theirs)}",
        f"{ratio:.2f}x",
        ratio <= most,
    )


def below(measure: str, ours: float, *, most: float) -> Row:
    """Give the row for: less than so many seconds."""
    return Row(measure, f"< {most:g} s", seconds(ours), ratio=f"{ours / most:.2f}x", met=ours < most)


def at_most(measure: str, found: int, *, most: int, compared: str = "") -> Row:
    """Give the row for a count."""
    return Row(measure, f"≤ {most}", str(found), compared, met=found <= most)


def not_measured(measure: str, budget: str, why: str) -> Row:
    """Give the row for what could not be measured here."""
    return Row(measure, budget, "not measured", why)


def seconds(value: float) -> str:
    """Write a time with three digits or so."""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def render(rows: Iterable[Row]) -> str:
    """Give the table as Markdown, its columns aligned."""
    lines = [HEAD, *(row.cells for row in rows)]
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(HEAD))]
    return "\n".join(_lines(lines, widths)) + "\n"


def _lines(lines: list[tuple[str, ...]], widths: list[int]) -> Iterator[str]:
    for number, cells in enumerate(lines):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
        if number == 0:
            yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"
