"""Questions to a host: read-only, merged by kind, all in one script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from amiforge.errors import FactUnreadable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one query script printed, and its exit status."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are no UTF-8 are kept as surrogates."""
        return self.stdout.decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class QueryKind(Generic[T]):
    """One sort of question, asked for any number of items in a single run.

    Attributes:
        name: names the kind in messages, as `packages` or `files`.
        script: constant sh text that answers for all items at once; it sees them as `"$@"`, its standard input is
            empty and it must not write anything anywhere.
        parse: turns the answer and the items asked for into one value an item; raises `FactUnreadable` when the answer
            makes no sense. Every item must get a value, also when the host does not know it.
        slow: takes a second or more, so it is asked again only at the turn of who wants to know, and not along with
            everything else.
    """

    name: str
    script: str
    parse: Callable[[Answer, Sequence[str]], Mapping[str, T]]
    slow: bool = False


@dataclass(frozen=True)
class Query(Generic[T]):
    """One question: a kind and the item it is about."""

    kind: QueryKind[T]
    item: str = ""


class Replies:
    """The answers to a batch, looked up by the query that asked."""

    def __init__(self, values: Mapping[Query[Any], Any]) -> None:
        self._values = values

    def __getitem__(self, query: Query[T]) -> T:
        value: T = self._values[query]
        return value

    def __contains__(self, query: Query[Any]) -> bool:
        return query in self._values

    def updated(self, newer: Replies) -> Replies:
        """Give these replies with the newer ones laid over them."""
        return Replies({**self._values, **newer._values})


@dataclass(frozen=True, slots=True)
class Question:
    """All items of one kind that travel in one part of a batch."""

    kind: QueryKind[Any]
    items: tuple[str, ...]


#: One question's items stay below this many bytes; `set --` has no limit, but the programs that get the items do.
_ITEMS_BYTES = 65_536


def merge(queries: Sequence[Query[Any]]) -> tuple[Question, ...]:
    """Merge queries into one question a kind, in the order in which kinds and items first appear."""
    by_kind: dict[QueryKind[Any], dict[str, None]] = {}
    for query in queries:
        by_kind.setdefault(query.kind, {})[query.item] = None
    return tuple(Question(kind, items) for kind, all_items in by_kind.items() for items in _chunks(list(all_items)))


def read(questions: Sequence[Question], answers: Sequence[Answer]) -> Replies:
    """Turn the answers of a batch into replies.

    Raises:
        FactUnreadable: a kind could not make sense of its answer, or forgot an item.
    """
    values: dict[Query[Any], Any] = {}
    for question, answer in zip(questions, answers, strict=True):
        parsed = question.kind.parse(answer, question.items)
        for item in question.items:
            if item not in parsed:
                raise FactUnreadable(
                    f"the host's answer about {question.kind.name} says nothing of {item!r}",
                    stdout=answer.text[-500:],
                    stderr=answer.stderr.decode("utf-8", "replace")[-500:],
                )
            values[Query(question.kind, item)] = parsed[item]
    return Replies(values)


def _chunks(items: list[str]) -> Iterator[tuple[str, ...]]:
    chunk: list[str] = []
    size = 0
    for item in items:
        if chunk and size + len(item) > _ITEMS_BYTES:
            yield tuple(chunk)
            chunk, size = [], 0
        chunk.append(item)
        size += len(item) + 3
    yield tuple(chunk)
