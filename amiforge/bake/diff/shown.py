"""A difference for people: as text for a terminal, as tables for a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from amiforge.bake.diff.difference import Change, Difference, FileChange, Moved

_SAME = "no difference"


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    before: str
    after: str
    note: str = ""

    @property
    def move(self) -> str:
        if self.before and self.after:
            return f"{self.before} → {self.after}"
        return f"{self.after} (new)" if self.after else f"{self.before} (gone)" if self.before else ""


def as_text(found: Difference) -> str:
    """Give it as lines, what moved first."""
    return "\n".join(_text(found))


def as_markdown(found: Difference) -> str:
    """Give it as GitHub's Markdown."""
    return "\n".join(_markdown(found))


def _text(found: Difference) -> Iterator[str]:
    yield f"{found.before} → {found.after}"
    if found.empty:
        yield _SAME
    for title, rows in _sections(found):
        yield f"\n{title}"
        name_width = min(max(len(row.name) for row in rows), 48)
        for row in rows:
            yield f"  {row.name:<{name_width}}  {row.move}{row.note and f'  ({row.note})'}".rstrip()
    for each in found.files:
        if each.diff:
            yield f"\n{each.path}"
            yield from (f"  {line}" for line in each.diff.splitlines())


def _markdown(found: Difference) -> Iterator[str]:
    yield f"**{_cell(found.before)} → {_cell(found.after)}**"
    if found.empty:
        yield f"\n{_SAME}"
    for title, rows in _sections(found):
        yield f"\n| {title} | before | after | |\n|---|---|---|---|"
        for row in rows:
            yield f"| {_cell(row.name)} | {_cell(row.before)} | {_cell(row.after)} | {_cell(row.note)} |"
    for each in found.files:
        if each.diff:
            fence = "`" * (3 + each.diff.count("```"))
            yield f"\n<details><summary><code>{_html(each.path)}</code></summary>\n"
            yield f"{fence}diff\n{each.diff}\n{fence}\n</details>"


def _sections(found: Difference) -> Iterator[tuple[str, list[_Row]]]:
    sections = {
        "components": [*map(_moved, found.components)],
        "origin": [*map(_change, found.origin)],
        "options": [*map(_change, found.options)],
        "packages": [*map(_moved, found.packages), *map(_change, (*found.added, *found.removed))],
        "modules": [*map(_change, found.modules)],
        "repositories": [*map(_change, found.repositories)],
        "downloads": [*map(_change, found.downloads)],
        "units": [*map(_change, found.units)],
        "files": [*map(_file, found.files)],
    }
    return ((title, rows) for title, rows in sections.items() if rows)


def _moved(each: Moved) -> _Row:
    counts = {"package": len(each.packages), "module": len(each.modules), "download": len(each.downloads)}
    if not each.task and each.packages == (each.title,):
        counts = {}
    note = ", ".join(f"{count} {what}{'s' * (count != 1)}" for what, count in counts.items() if count)
    return _Row(each.title, each.before, each.after, note)


def _change(each: Change) -> _Row:
    return _Row(each.name, each.before, each.after)


def _file(each: FileChange) -> _Row:
    return _Row(each.path, each.before[:12], each.after[:12])


def _cell(text: str) -> str:
    return _html(text).replace("|", "\\|").replace("\n", " ")


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
