"""Text that people write: TOML with mistakes, and values of any type for options of any type."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

PRINTABLE = st.text(st.characters(codec="utf-8"), max_size=30)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), PRINTABLE, st.binary(max_size=10), st.dates()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(PRINTABLE, inner, max_size=3), st.tuples(inner)
    ),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """Give a text with a few characters lost, doubled or replaced."""
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        new = draw(st.one_of(st.just(""), st.text(max_size=3), st.just(text[at : at + 8])))
        text = text[:at] + new + text[at + draw(st.integers(0, 3)) :]
    return text


def near(value: Any) -> st.SearchStrategy[Any]:
    """Give values like this one, of its type and of others."""
    if isinstance(value, bool):
        return st.one_of(st.booleans(), st.sampled_from(["yes", "no", 1, 0, "", None]))
    if isinstance(value, str):
        return st.one_of(damaged(value), st.sampled_from([value, "", "0", "-1", "1.2.3", "latest", "../x", "$(id)"]))
    if isinstance(value, int | float):
        return st.one_of(st.integers(), st.floats(), st.just(str(value)))
    if isinstance(value, tuple | list):
        inner = st.one_of(*map(near, value)) if value else PRINTABLE
        return st.one_of(st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple))
    return VALUES
