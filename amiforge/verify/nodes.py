"""Names of many hosts, as people write and read them: `node[01-08,10]`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from amiforge.errors import ConfigError

_RANGES = re.compile(r"\[(\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)\]", re.ASCII)
_COMMA = re.compile(r",(?![^\[\]]*\])")
_NUMBER = re.compile(r"(\d+)", re.ASCII)
#: More hosts than this in one text are a slip of the pen.
_MOST = 10_000


def expand(text: str) -> list[str]:
    """Give the hosts that a text means, with commas between them and numbers in ranges: `node[01-08,10],login`.

    Raises:
        ConfigError: a range ends before it begins, or has too many hosts.
    """
    return [name for part in _COMMA.split(text) if part.strip() for name in _expanded(part.strip())]


def read_hosts(path: Path) -> list[str]:
    """Give the hosts that a file lists: one or more a line, as `expand` takes them; `#` begins a comment.

    Raises:
        ConfigError: the file cannot be read, or names no host.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", fix="name a file with one host a line") from None
    hosts = [name for line in lines for name in expand(line.partition("#")[0].strip())]
    if not hosts:
        raise ConfigError(f"{path} names no host", fix="write one host a line, as ec2-user@10.0.3.7")
    return hosts


def fold(names: Iterable[str]) -> str:
    """Give names in short, which `expand` reads again: those that differ in one number become a range."""
    alike: defaultdict[str, list[list[str]]] = defaultdict(list)
    for name in dict.fromkeys(names):
        alike[_NUMBER.sub("0", name)].append(_NUMBER.split(name))
    return ",".join(part for group in alike.values() for part in _folded(group))


def _expanded(text: str) -> Iterator[str]:
    found = _RANGES.search(text)
    if not found:
        yield text
        return
    for number in _numbers(found[1], text):
        yield from _expanded(text[: found.start()] + number + text[found.end() :])


def _numbers(ranges: str, text: str) -> Iterator[str]:
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        last = last or first
        if not 0 <= int(last) - int(first) < _MOST:
            raise ConfigError(f"not a range of hosts: [{part}] in {text!r}", fix="write it as node[01-16]")
        yield from (f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1))


def _folded(group: Sequence[Sequence[str]]) -> Iterator[str]:
    """Fold names of one form, as texts and numbers in turn, by the last number in which they differ."""
    places = [place for place in range(1, len(group[0]), 2) if len({name[place] for name in group}) > 1]
    if not places:
        yield "".join(group[0])
        return
    at = places[-1]
    rest: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name in group:
        rest["".join(name[:at]), "".join(name[at + 1 :])].append(name[at])
    for (before, after), numbers in rest.items():
        ranges = [*_ranges(sorted(numbers, key=lambda number: (len(number), int(number))))]
        single = len(numbers) == 1
        yield f"{before}{numbers[0] if single else '[' + ','.join(ranges) + ']'}{after}"


def _ranges(numbers: Sequence[str]) -> Iterator[str]:
    """Give sorted numbers with runs in short; a run keeps the width of its first number, as `_numbers` writes it."""
    run: list[str] = []
    for number in numbers:
        if run and number != f"{int(run[-1]) + 1:0{len(run[0])}}":
            yield run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}"
            run = []
        run.append(number)
    yield run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}"
