"""The forms that a secret takes on its way: what programs make of text when they quote, escape or encode it."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

#: Shorter lines of a secret with many lines are left alone: a brace, a keyword, `=` at the end of base64.
SHORTEST_LINE = 8

#: What PEM writes around a key is the same for everybody, and so is the first line of one in OpenSSH's format, which
#: begins with `openssh-key-v1` and names the kind of key (OpenSSH, PROTOCOL.key).
_ARMOUR = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----|b3BlbnNzaC1rZXktdjEA[A-Za-z0-9+/]+")


def forms(secret: str) -> Iterator[str]:
    """Give every form in which a secret, or a line of it, may be met."""
    lines = [line.strip() for line in secret.splitlines() if not _ARMOUR.fullmatch(line.strip())]
    for part in {secret, secret.strip(), *(line for line in lines if len(line) >= SHORTEST_LINE)}:
        yield part
        yield from _escaped(part)
        yield from _percent_encoded(part)
        yield from _base64(part.encode("utf-8", "surrogateescape"))
        digits = part.encode("utf-8", "surrogateescape").hex()
        yield from (digits, digits.upper())


def _escaped(part: str) -> Iterator[str]:
    """Give it as JSON, Python and shells write it within their quotes."""
    for text in (json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1]):
        yield from (text, text.replace("/", "\\/"))
        # as Go writes JSON
        yield text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
        # as shells write $'…'
        yield text.replace('\\"', '"').replace("'", "\\'")
    yield from (repr(part)[1:-1], repr(f"{part}'\"")[1:-4])
    yield shlex.quote(part).removeprefix("'").removesuffix("'")
    yield part.replace("'", "'\\''")
    yield re.sub(r'([$`"\\])', r"\\\1", part)
    yield re.sub(r"([^\w@%+=:,./-])", r"\\\1", part, flags=re.ASCII)


def _percent_encoded(part: str) -> Iterator[str]:
    raw = part.encode("utf-8", "surrogateescape")
    for text in (quote(raw), quote(raw, safe=""), quote(raw, safe="!'()*"), quote_plus(raw)):
        yield text
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), text)


def _base64(raw: bytes) -> Iterator[str]:
    """Give its base64, and what of that is the same wherever it stands in something larger.

    There, the characters at both ends hold bits of the neighbours too, and up to four bits of the secret.
    """
    whole = base64.b64encode(raw).decode()
    texts = [whole, whole.rstrip("=")]
    for lead in range(3):
        text = base64.b64encode(bytes(lead) + raw).decode()
        texts.append(text[-(-8 * lead // 6) : 8 * (lead + len(raw)) // 6])
    for text in texts:
        yield from (text, text.translate(str.maketrans("+/", "-_")))
