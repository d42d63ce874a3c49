"""Making something exactly once through calls whose answer can get lost."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TypeVar

from amiforge.ec2.poll import Pace
from amiforge.ec2.refusal import code, kind, passing
from amiforge.errors import AwsRefused

T = TypeVar("T")

_TRIES = 8
#: Seconds for which what exists may not be known everywhere.
_EVENTUALLY = 120


def make_once(send: Callable[[], T], find: Callable[[], T | None], pace: Pace) -> T:
    """Send a creating call until it is answered, and never make a second thing of it.

    A call may have worked although its answer was lost. So before it is sent again, and when the service says that
    the name is taken, what it would make is looked for by name or tag; when the name is taken, for two minutes.

    Args:
        send: the call, through a client that does not repeat it by itself.
        find: looks for what the call makes, and only for our own.
        pace: how long to wait before a repetition.

    Raises:
        AwsRefused: the service says no.
    """
    for tries in range(_TRIES):
        try:
            return send()
        except AwsRefused as error:
            taken = code(error).endswith(".Duplicate")
            again = passing(error) or kind(error) == "eventual"
            if not (taken or again):
                raise
            pace.sleep(0 if taken else pace.pause(tries))
            found = _look(find, pace, _EVENTUALLY if taken else 0)
            if found is not None:
                return found
            if taken or tries == _TRIES - 1:
                raise
    raise AssertionError("the last try returns or raises")


def resend(send: Callable[[], T], pace: Pace, what: str, patience: float) -> T:
    """Send a call that bears a token of its own until it is answered: it makes one thing, however often it is sent.

    Args:
        send: the call, through a client that does not repeat it by itself.
        pace: how long to wait before a repetition.
        what: what we wait for, for people.
        patience: seconds for which throttling and a lost link are borne; what is not known yet, for two minutes.

    Raises:
        AwsRefused: the service says no.
    """
    started = pace.clock()
    for tries in itertools.count():
        try:
            return send()
        except AwsRefused as error:
            limits = {"throttle": patience, "link": patience, "eventual": _EVENTUALLY}
            waited = pace.clock() - started
            if waited >= limits.get(kind(error), 0):
                raise
            pace.on_wait(what, waited, error.message)
            pace.sleep(pace.pause(tries))
    raise AssertionError("counting has no end")


def _look(find: Callable[[], T | None], pace: Pace, patience: float) -> T | None:
    started = pace.clock()
    for looks in itertools.count():
        found = find()
        if found is not None or pace.clock() - started >= patience:
            return found
        pace.on_wait("what is there already to be known", pace.clock() - started, "")
        pace.sleep(pace.pause(looks))
    raise AssertionError("counting has no end")
