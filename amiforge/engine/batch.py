"""Putting questions to a host: one session, whatever their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amiforge.engine.frame import Part, ask, decode, encode, new_nonce
from amiforge.engine.query import Answer, Query, Replies, merge, read
from amiforge.engine.tenure import AT_WORK
from amiforge.errors import FactUnreadable
from amiforge.host.base import Host
from amiforge.systems.facts import FACTS, parse
from amiforge.systems.system import System

#: What coreutils' `timeout` ends with when time is up.
_TIMED_OUT = 124


def run(host: Host, parts: Sequence[Part]) -> tuple[Answer, ...]:
    """Run several scripts in one session and give their answers, up to the first required one that fails.

    Raises:
        ConnectionLost: the link died, or the answer breaks off.
    """
    nonce = new_nonce()
    text = encode(parts, nonce)
    changing = any(part.required for part in parts)
    output = host.run(f"{AT_WORK}{text}" if changing else text)
    return decode(output.stdout, output.stderr, nonce)


def put(
    host: Host, queries: Sequence[Query[Any]], timeout: float, before: Sequence[Part] = ()
) -> tuple[tuple[Answer, ...], Replies]:
    """Run the parts before, then put all queries to the host, in one session.

    Gives the answers of the parts before, and the replies: none where a required part failed. `timeout` is in seconds
    and for each kind of query.

    Raises:
        ConnectionLost: the link died, or the answer breaks off.
        FactUnreadable: an answer makes no sense, or did not come in time.
    """
    questions = merge(queries)
    parts = [*before, *(ask(question, timeout) for question in questions)]
    answers = run(host, parts) if parts else ()
    if len(answers) < len(parts):
        return answers, Replies({})
    for question, answer in zip(questions, answers[len(before) :], strict=True):
        if answer.status == _TIMED_OUT:
            raise FactUnreadable(
                f"the host did not answer about {question.kind.name} within {timeout:g} s",
                fix="see what hangs on the host, or raise engine.query_timeout",
            )
    return answers[: len(before)], read(questions, answers[len(before) :])


def read_system(host: Host) -> System:
    """Read what a host is, without taking its lock.

    Raises:
        FactUnreadable: the host leaves out a fact that every host has.
        ConfigError: its operating system is none of ours.
    """
    return parse(run(host, [Part(FACTS)])[0].stdout)
