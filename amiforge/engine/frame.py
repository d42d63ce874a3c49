"""Several scripts in one: each keeps its own exit status and output, whatever the others do.

A random nonce separates the parts on both streams, so neither a noisy login shell before the first part nor any
output of a part can be taken for a frame. A missing end means that the rest never came: a lost link, never a result.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from amiforge.engine.query import Answer, Question
from amiforge.errors import ConnectionLost, FactUnreadable
from amiforge.shell import Command, quote


@dataclass(frozen=True, slots=True)
class Part:
    """One script of a frame.

    Attributes:
        text: sh text; runs in a subshell with empty standard input.
        required: when it fails, the parts after it do not run.
    """

    text: str
    required: bool = False


def new_nonce() -> str:
    """Give a separator that nothing else prints."""
    return f"amiforge-{secrets.token_hex(16)}"


def ask(question: Question, timeout: float) -> Part:
    """Give the part that puts one question to the host, ended after `timeout` seconds.

    It runs in a shell of its own, so that a query that ends, replaces or confuses its shell harms nobody else.
    """
    words = " ".join(quote(item) for item in question.items)
    return Part(f"timeout {timeout:g} sh -c {quote(question.kind.script)} sh {words}")


def change(command: Command) -> Part:
    """Give the part that changes the host; what follows it runs only if it succeeds."""
    return Part(command.text(), required=True)


def encode(parts: Sequence[Part], nonce: str) -> str:
    """Give one sh script that runs the parts in order."""
    lines = [f"printf '%s begin\\n' {nonce}", f"printf '%s begin\\n' {nonce} >&2"]
    for part in parts:
        lines += [f"(\n{part.text}\n) </dev/null", "status=$?", f'printf "\\n%s %d\\n" {nonce} "$status"']
        lines += [f"printf '\\n%s\\n' {nonce} >&2"]
        if part.required:
            lines += [f'[ "$status" -eq 0 ] || {{ printf "%s end\\n" {nonce}; exit 0; }}']
    return "\n".join((*lines, f"printf '%s end\\n' {nonce}", ""))


def decode(stdout: bytes, stderr: bytes, nonce: str) -> tuple[Answer, ...]:
    """Give the answers of all parts that ran.

    Raises:
        ConnectionLost: the end is missing.
        FactUnreadable: it is not in order.
    """
    mark = nonce.encode()
    begin, end = mark + b" begin\n", mark + b" end\n"
    if begin not in stdout or not stdout.endswith(end):
        raise ConnectionLost(
            "the host's answer breaks off before its end",
            stdout=stdout[-500:].decode("utf-8", "replace"),
            stderr=stderr[-500:].decode("utf-8", "replace"),
        )
    bodies = stdout.partition(begin)[2].removesuffix(end).split(b"\n" + mark + b" ")
    errors = stderr.partition(begin)[2].split(b"\n" + mark + b"\n")
    answers: list[Answer] = []
    for index, following in enumerate(bodies[1:]):
        status, _, _ = following.partition(b"\n")
        if not re.fullmatch(rb"[0-9]{1,3}", status):
            raise FactUnreadable("the host's answer is not in order", stdout=following[:500].decode("utf-8", "replace"))
        body = bodies[index] if index == 0 else bodies[index].partition(b"\n")[2]
        answers.append(Answer(int(status), body, errors[index] if index < len(errors) else b""))
    return tuple(answers)
