"""Harms that befall an instance's machine: when they begin and how long they last."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event, Thread

from amiforge.sandbox.api.faults import Course, Pause
from amiforge.sandbox.api.machines import Machine
from amiforge.sandbox.faults import Harm
from amiforge.sandbox.harms import MOMENTARY

_LOG = logging.getLogger(__name__)

#: Seconds between two looks at whether a machine answers.
_GLANCE = 0.05


class Befalling:
    """One harm on its way to one machine.

    Args:
        machine: whom it befalls.
        harm: what.
        course: told when it begins and ends, and tells when it is no longer wanted.
        over: set when the machine is about to end.
        interrupt: how EC2 takes the instance back.
    """

    def __init__(
        self, machine: Machine, harm: Harm, course: Course, over: Event, interrupt: Callable[[], None]
    ) -> None:
        self._machine = machine
        self._harm = harm
        self._course = course
        self._over = over
        self._interrupt = interrupt
        self._lasting = ExitStack()

    def start(self) -> None:
        """Let it happen. A link that is slow at once is slow before the machine boots."""
        self._early = self._harm.harm == "slow-link" and not self._harm.after
        if self._early:
            self._begin()
        self._course.lasting += 1
        Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._wait()
            with self._lasting:
                if not self._early and not self._past:
                    self._begin()
                if self._harm.harm not in MOMENTARY:
                    seconds = math.inf if self._harm.seconds is None else self._harm.seconds
                    Pause(seconds, self._course.cleared).wait(self._over)
        except Exception:  # noqa: BLE001 - a harm that fails must be told, and harm nobody else
            _LOG.exception("%s did not happen", self._harm.harm)
        finally:
            self._course.lasting -= 1

    def _wait(self) -> None:
        while not self._past and not self._machine.answers():
            self._over.wait(_GLANCE)
        Pause(self._harm.after, self._course.cleared).wait(self._over)

    @property
    def _past(self) -> bool:
        return self._over.is_set() or self._course.cleared.is_set()

    def _begin(self) -> None:
        if self._harm.harm == "interruption":
            self._interrupt()
        else:
            self._lasting.enter_context(self._machine.suffer(self._harm))
