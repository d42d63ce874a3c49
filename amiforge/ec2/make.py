"""Making something exactly once through calls whose answer can get lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from amiforge.ec2.poll import Pace
from amiforge.ec2.refusal import code, kind, passing
from amiforge.errors import AwsRefused

T = TypeVar("T")

_TRIES = 8


def make_once(send: Callable[[], T], find: Callable[[], T | None], pace: Pace) -> T:
    """Send a creating call until it is answered, and never make a second thing of it.

    A call may have worked although its answer was lost. So before it is sent again, and when the service says that
    the name is taken, what it would make is looked for by name or tag.

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
            found = find()
            if found is not None:
                return found
            if taken or tries == _TRIES - 1:
                raise
    raise AssertionError("the last try returns or raises")
