"""Redaction: what must not be seen is masked in whatever leaves the program, in every form it may have taken.

A `Secret` masks itself where we print it. This is for the rest: a secret that a command on the host prints, that an
error message quotes, or that comes back encoded and in pieces.
"""

from __future__ import annotations

import re
import threading
import traceback
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any

from amiforge.errors import AmiforgeError, RecipeError
from amiforge.secret_forms import forms
from amiforge.shell import MASK, Secret

#: Shorter secrets are refused: they occur by chance, and masked everywhere, the gaps would tell what they are.
SHORTEST = 6

#: Every form of a secret is found by so many of its first characters.
_STEM = 4
#: A line break after so many characters of base64 or hex was put there by `base64`, `openssl`, `xxd` or whatever wrote
#: a PEM file (76, 64, 60 and 64 or 70 a line), and what follows belongs to the same text.
_WRAPPED = 60
_WRAPPED_LINE = re.compile(rf"[A-Za-z0-9+/_-]{{{_WRAPPED}}}")

Span = tuple[int, int]


class Redaction:
    """Knows secrets and masks them; several threads may use one."""

    def __init__(self, secrets: Iterable[Secret | str] = ()) -> None:
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._forms = _Forms(())
        self.learn(*secrets)

    def __repr__(self) -> str:
        return f"<Redaction of {len(self._known)} secrets>"

    def learn(self, *secrets: Secret | str) -> None:
        """Mask these too from now on. An empty one is no secret.

        Raises:
            RecipeError: a secret is too short to be masked.
        """
        texts = {secret.reveal() if isinstance(secret, Secret) else secret for secret in secrets}
        values = {text for text in texts if text.strip()}
        if any(len(value.strip()) < SHORTEST for value in values):
            raise RecipeError(
                f"a secret of fewer than {SHORTEST} characters cannot be kept out of logs", fix="choose a longer one"
            )
        with self._lock:
            if not values <= self._known:
                self._known |= values
                self._forms = _Forms(form for value in self._known for form in forms(value))

    def text(self, text: str) -> str:
        """Give text with every secret masked."""
        return self.stream().feed(text, last=True)

    def data(self, value: Any) -> Any:
        """Give plain data with every secret masked, in keys too; what JSON has no notation for becomes text."""
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.data(item) for key, item in value.items()}
        if isinstance(value, list | tuple | AbstractSet):
            items = [self.data(item) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        return self.text(str(value))

    def stream(self) -> Stream:
        """Give what masks one output that comes in pieces."""
        return Stream(lambda: self._forms)

    def mask(self, error: BaseException) -> None:
        """Mask what an error says, and what those say that it came of, in place. Those that keep it are forgotten."""
        pending, seen = [error], [error]
        for each in pending:
            self._mask(each)
            for link in ("__cause__", "__context__"):
                origin = getattr(each, link)
                if origin is None or any(origin is known for known in seen):
                    continue
                self._mask(origin)
                if self._shown_by(origin):
                    setattr(each, link, None)
                else:
                    seen.append(origin)
                    pending.append(origin)

    @contextmanager
    def masking(self) -> Iterator[None]:
        """Mask every error that leaves this context.

        Raises:
            AmiforgeError: instead of an error of another kind that says a secret and cannot be changed.
        """
        try:
            yield
        except Exception as error:
            self.mask(error)
            if not self._shown_by(error):
                raise
            text = self.text("".join(traceback.format_exception(error)))
            raise AmiforgeError(f"unexpected {type(error).__name__}", traceback=text) from None

    def _mask(self, error: BaseException) -> None:
        if isinstance(error, AmiforgeError):
            error.message = self.text(error.message)
            error.lines = {label: self.text(text) for label, text in error.lines.items()}
        error.args = tuple(self.text(arg) if isinstance(arg, str) else arg for arg in error.args)
        if notes := getattr(error, "__notes__", ()):
            error.__notes__ = [self.text(note) for note in notes]

    def _shown_by(self, error: BaseException) -> bool:
        text = "".join(traceback.format_exception_only(error))
        return self.text(text) != text


class Stream:
    """Masks one output that comes in pieces.

    What may turn out to be the beginning of a secret is held back until that is decided; it is shorter than the longest
    form of a secret, and hardly ever more than a few characters.
    """

    def __init__(self, forms: Callable[[], _Forms]) -> None:
        self._forms = forms
        self._held = ""
        #: how many characters of what is held belong to a secret whose mask is given out already
        self._masked = 0
        #: the end of what was given out, as far as it decides what a line break means
        self._before = ""

    def feed(self, piece: str, *, last: bool = False) -> str:
        """Take a piece, and give what can be seen of it and of earlier ones."""
        text = self._held + piece
        spans, undecided = self._forms().find(text, self._before)
        end = len(text) if last else undecided
        shown: list[str] = []
        at = self._masked
        for start, stop in _merged(spans):
            if start >= max(at, end):
                break
            if start >= at:
                shown += [text[at:start], MASK]
            at = max(at, stop)
        shown.append(text[at:end])
        self._held, self._masked = text[end:], max(at - end, 0)
        self._before = (self._before + text[:end])[-_WRAPPED:]
        return "".join(shown)

    def flush(self) -> str:
        """Give the rest: no more will come."""
        return self.feed("", last=True)


class _Forms:
    """Every form of every secret, by their first characters."""

    def __init__(self, forms: Iterable[str]) -> None:
        by_stem: defaultdict[str, list[str]] = defaultdict(list)
        for form in sorted({form for form in forms if len(form) >= _STEM}, key=len, reverse=True):
            by_stem[form[:_STEM]].append(form)
        self._by_stem = dict(by_stem)
        self._starts = {stem[:length] for stem in by_stem for length in range(1, _STEM)}

    def find(self, text: str, before: str) -> tuple[list[Span], int]:
        """Give where secrets are, and from where on the text may be the beginning of one."""
        if not self._by_stem:
            return [], len(text)
        spans, undecided = self._scan(text)
        unwrapped, breaks = _unwrapped(text, before)
        if breaks:

            def place(at: int) -> int:
                return at + bisect_right(breaks, at)

            more, from_there = self._scan(unwrapped)
            spans += [(place(start), place(stop - 1) + 1) for start, stop in more]
            undecided = min(undecided, place(from_there) if from_there < len(unwrapped) else len(text))
        return sorted(spans), undecided

    def _scan(self, text: str) -> tuple[list[Span], int]:
        spans: list[Span] = []
        undecided = size = len(text)
        for at in [at for at in range(size - _STEM + 1) if text[at : at + _STEM] in self._by_stem]:
            for form in self._by_stem[text[at : at + _STEM]]:
                if at + len(form) > size:
                    if undecided == size and form.startswith(text[at:]):
                        undecided = at
                elif text.startswith(form, at):
                    spans.append((at, at + len(form)))
                    break
        short = (at for at in range(max(size - _STEM + 1, 0), size) if text[at:] in self._starts)
        return spans, min(undecided, next(short, size))


def secrets_in(value: object) -> Iterator[Secret]:
    """Give every secret in a value: in the fields of models and dataclasses, in collections, at any depth."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Mapping):
        yield from secrets_in([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple | AbstractSet):
        for item in value:
            yield from secrets_in(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from secrets_in([getattr(value, field.name, None) for field in fields(value)])
    elif hasattr(type(value), "__pydantic_fields__"):
        yield from secrets_in(list(vars(value).values()))


def _unwrapped(text: str, before: str) -> tuple[str, list[int]]:
    """Take out the line breaks at which long base64 or hex was wrapped; give the places in the result where they were.

    `before` is the end of what came before the text.
    """
    lines = text.split("\n")
    pieces: list[str] = [lines[0]]
    breaks: list[int] = []
    size = len(lines[0])
    for line, following in pairwise([before + lines[0], *lines[1:]]):
        if _WRAPPED_LINE.fullmatch(line[-_WRAPPED:]):
            breaks.append(size)
        else:
            pieces.append("\n")
            size += 1
        pieces.append(following)
        size += len(following)
    return "".join(pieces), breaks


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Give spans in order, those that overlap as one."""
    whole: Span | None = None
    for start, stop in spans:
        if whole and start < whole[1]:
            whole = (whole[0], max(whole[1], stop))
            continue
        if whole:
            yield whole
        whole = (start, stop)
    if whole:
        yield whole
