"""A host that answers commands, however many of them come in one script."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from amiforge.host.base import Output
from amiforge.host.fake import FakeHost

_NONCE = re.compile(r"amiforge-[0-9a-f]{32}")
_QUESTION = re.compile(r"^timeout 120 sh -c (.*); status=\$\?; read -r now", re.MULTILINE | re.DOTALL)


def answering(answer: Callable[[str], Output], lose_at: frozenset[int] = frozenset()) -> FakeHost:
    """Give a connected host on which each command gives what the function says, a second after the one before."""
    fake = FakeHost(
        lambda script: _framed(script, answer) if _NONCE.search(script) else answer(script), lose_at=lose_at
    )
    fake.connect()
    return fake


def commands(script: str) -> list[str]:
    """Give the commands of one script."""
    bodies = re.findall(r"^\(\n(.*?)\n\) </dev/null$", script, re.MULTILINE | re.DOTALL)
    found = [_QUESTION.match(body) for body in bodies]
    return [shlex.split(match[1])[0] for match in found if match]


def _framed(script: str, answer: Callable[[str], Output]) -> Output:
    nonce = _NONCE.findall(script)[0].encode()
    stdout, stderr, status = nonce + b" begin\n100.00", nonce + b" begin\n", 0
    for number, output in enumerate(map(answer, commands(script)), 1):
        stdout += b"\n%s %d\n%s\n%d.50" % (nonce, status, output.stdout, 100 + number)
        stderr += b"\n%s\n%s" % (nonce, output.stderr)
        status = output.status
    return Output(0, stdout + b"\n%s %d\n%s end\n" % (nonce, status, nonce), stderr)
