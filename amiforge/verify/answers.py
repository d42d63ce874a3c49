"""Questions of many checks, put to a host together: one session for all that can be asked at a time.

A check is plain Python that asks when it runs, so what it will ask is not known before. It is run: the first question
without an answer ends it, and is written down. When every check has got that far, all questions go out in one session,
and the checks run again. Few ask more than three questions one after the other, so that is about how many sessions a
whole recipe takes, where a session a question takes a hundred.
"""

from __future__ import annotations

from testinfra.host import Host as TestinfraHost

from amiforge.engine.batch import run
from amiforge.engine.frame import Part
from amiforge.engine.query import Answer
from amiforge.errors import CommandTimedOut
from amiforge.host.base import Host, Output
from amiforge.shell import quote
from amiforge.verify.backend import TIMEOUT, Backend

#: Seconds since the boot, in hundredths, which costs no process. They follow what a question printed.
_CLOCK = "read -r now rest </proc/uptime"


class Unanswered(BaseException):
    """A question was written down, and has no answer yet; no `Exception`, which a check may well swallow."""


class Answers:
    """What a host answered so far, and what it is to be asked next."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: dict[str, tuple[Output | None, float]] = {}
        self._open: dict[str, None] = {}
        self._used: set[str] = set()

    def through(self) -> TestinfraHost:
        """Give testinfra's view of the host, with these answers."""
        return TestinfraHost(Backend(self._host.address, self._ask))

    def begin(self) -> None:
        """Take what is asked from now on for the questions of one check."""
        self._used.clear()

    @property
    def seconds(self) -> float:
        """How long the host worked on the answers that were used since `begin`."""
        return sum(self._known[text][1] for text in self._used)

    def fetch(self) -> None:
        """Put all open questions to the host.

        Raises:
            HostError: it could not be asked.
        """
        questions, self._open = [*self._open], {}
        parts = [Part(_CLOCK + '; printf "%s" "$now"'), *map(_part, questions)]
        first, *answers = run(self._host, parts)
        at = float(first.stdout)
        for text, answer in zip(questions, answers, strict=True):
            shown, _, now = answer.stdout.rpartition(b"\n")
            self._known[text] = (_output(answer, shown, float(now) - at), float(now) - at)
            at = float(now)

    def _ask(self, text: str) -> Output:
        """Give the answer to a question.

        Raises:
            Unanswered: there is none yet.
            CommandTimedOut: it did not come in time.
        """
        if text in self._used:
            # Who asks the same again waits for something to change.
            return self._host.run(text, timeout=TIMEOUT)
        if text not in self._known:
            self._open[text] = None
            raise Unanswered
        self._used.add(text)
        output, _ = self._known[text]
        if output is None:
            raise CommandTimedOut(f"no end within {TIMEOUT:g} s", host=self._host.address)
        return output


def _part(text: str) -> Part:
    return Part(f'timeout {TIMEOUT:g} sh -c {quote(text)}; status=$?; {_CLOCK}; printf "\\n%s" "$now"; exit "$status"')


def _output(answer: Answer, shown: bytes, seconds: float) -> Output | None:
    """Give what a command left behind; None where it was ended because its time was over."""
    timed_out = answer.status == 124 and seconds >= TIMEOUT - 1  # noqa: PLR2004 - coreutils' timeout
    return None if timed_out else Output(answer.status, shown, answer.stderr)
