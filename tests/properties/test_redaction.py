"""A secret is masked in every form it may take, wherever it stands and however the output is cut into pieces."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from hypothesis import assume, example, given
from hypothesis import strategies as st

from amiforge.redaction import Redaction
from amiforge.secret_forms import SHORTEST_LINE
from amiforge.shell import MASK

#: No brackets, of which the mask itself consists, and no letters of it.
ALPHABET = st.characters(codec="utf-8", exclude_characters="[secrt]\0", exclude_categories=["Cc", "Z"])
SECRETS = st.one_of(
    st.text(ALPHABET, min_size=8, max_size=60),
    st.text("ABC'\"\\$`&/+=%<>é ", min_size=8, max_size=60).filter(lambda text: len(text.strip()) > 5),
    st.lists(st.text(ALPHABET, min_size=SHORTEST_LINE, max_size=80), min_size=2, max_size=5).map("\n".join),
)
AROUND = st.text("xyz '\"=/+\n", max_size=100)


def lower(text: str) -> str:
    return re.sub("%..", lambda match: match[0].lower(), text)


FORMS: tuple[Callable[[str], str], ...] = (
    lambda secret: secret,
    lambda secret: json.dumps(secret)[1:-1],
    lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    lambda secret: repr(secret)[1:-1],
    shlex.quote,
    lambda secret: "'" + secret.replace("'", "'\\''") + "'",
    quote,
    lambda secret: quote(secret, safe=""),
    quote_plus,
    lambda secret: lower(quote(secret, safe="")),
    lambda secret: lower(quote_plus(secret)),
    lambda secret: base64.b64encode(secret.encode()).decode(),
    lambda secret: base64.b64encode(secret.encode()).decode().rstrip("="),
    lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    lambda secret: secret.encode().hex(),
    lambda secret: secret.encode().hex().upper(),
)


@given(SECRETS, AROUND, AROUND, st.sampled_from(FORMS))
def test_every_form_is_masked_and_what_stands_around_it_is_kept(
    secret: str, before: str, after: str, form: Callable[[str], str]
) -> None:
    plain = Redaction([secret])
    assume(plain.text(before + after) == before + after)
    shown = plain.text(f"{before}|{form(secret)}|{after}")
    assert MASK in shown
    assert form(secret) not in shown
    assert shown.startswith(f"{before}|")
    assert shown.endswith(f"|{after}")


@given(SECRETS, st.binary(max_size=100), st.binary(max_size=100), st.sampled_from([60, 64, 76, 10_000]))
def test_base64_of_something_larger_gives_nothing_away(secret: str, before: bytes, after: bytes, width: int) -> None:
    whole = base64.b64encode(before + secret.encode() + after).decode()
    wrapped = "".join(f"{whole[at : at + width]}\n" for at in range(0, len(whole), width))
    shown = Redaction([secret]).text(wrapped)
    kept = shown.replace("\n", "").split(MASK)
    # What is left at both ends holds at most four bits of the secret.
    least = len(secret.encode()) * 8 // 6 - 2
    assert len(kept) > 1
    assert len("".join(kept)) <= len(whole) - least


@given(st.lists(SECRETS, min_size=1, max_size=3), st.data())
def test_output_in_pieces_is_masked_as_if_it_were_whole(secrets: list[str], data: st.DataObject) -> None:
    redaction = Redaction(secrets)
    known = [form(secret) for secret in secrets for form in (FORMS[0], FORMS[1], FORMS[11], FORMS[15])]
    parts = [
        form[:cut] if cut else form
        for form, cut in data.draw(st.lists(st.tuples(st.sampled_from(known), st.integers(0, 20)), max_size=6))
    ]
    around = data.draw(st.lists(st.text("xA\n", max_size=70), min_size=len(parts) + 1, max_size=len(parts) + 1))
    text = around[0] + "".join(part + more for part, more in zip(parts, around[1:], strict=True))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    stream = redaction.stream()
    pieces = [text[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert "".join([*map(stream.feed, pieces), stream.flush()]) == redaction.text(text)


@given(st.integers(6, 14), st.integers(1, 40), st.integers(1, 9))
@example(8, 3, 1)
def test_a_secret_that_overlaps_itself_is_masked_whole(length: int, times: int, width: int) -> None:
    secret = ("ab" * length)[:length]
    text = "ab" * times + "x"
    redaction = Redaction([secret])
    stream = redaction.stream()
    shown = "".join([*(stream.feed(text[at : at + width]) for at in range(0, len(text), width)), stream.flush()])
    assert shown == redaction.text(text)
    assert secret not in shown


@given(st.lists(SECRETS, min_size=1, max_size=3), st.text(max_size=300))
def test_nothing_is_held_back_for_longer_than_a_form_is_long(secrets: list[str], text: str) -> None:
    stream = Redaction(secrets).stream()
    longest = max(len(form(secret)) for secret in secrets for form in FORMS) + 40
    for character in text:
        stream.feed(character)
        assert len(stream._held) <= longest
