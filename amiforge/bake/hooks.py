"""Telling others what becomes of a bake: Python callables, and commands of the settings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from amiforge.engine.events import HookFailed
from amiforge.errors import AmiforgeError, CommandFailed, CommandTimedOut, Parked
from amiforge.settings import HookSettings

if TYPE_CHECKING:
    from amiforge.bake.run import Run
    from amiforge.engine.events import Listener

Milestone = Literal["started", "parked", "failed", "baked", "published"]

#: Characters of a failed command's output that are shown, from its end.
_SHOWN = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What has become of a bake. What does not apply is empty.

    Attributes:
        event: `started`; `parked`, to be resumed; `failed`; `baked`: there is an image; `published`.
        run: id of the run; of an image that is published by hand, of the one that baked it.
        image: id of the image in its own region, once there is one.
        published: region to the id of the image that is published there.
        verified: what verifying came to: `passed`, `skipped`.
        reason: why it is parked or has failed.
        resume: command that goes on with it.
        report: path of the report, on the machine that bakes.
        seconds: since the run began.
        at: when, in seconds since the epoch.
    """

    event: Milestone
    run: str
    recipe: str
    os: str
    arch: str
    region: str
    image: str = ""
    published: Mapping[str, str] = field(default_factory=dict)
    verified: str = ""
    reason: str = ""
    resume: str = ""
    report: str = ""
    seconds: float = 0
    at: float = field(default_factory=time.time)


#: Is told of every notice. What it raises, and how long it takes, changes nothing of the bake.
Hook = Callable[[Notice], None]


def tell(notice: Notice, hooks: Sequence[Hook], listener: Listener) -> None:
    """Call every hook, one after the other; the listener hears of those that fail."""
    for hook in hooks:
        try:
            hook(notice)
        except AmiforgeError as error:
            listener(HookFailed(milestone=notice.event, message=error.message, lines=error.lines))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a hook, it is no reason to lose an image
            said = f"{getattr(hook, '__name__', 'a hook')} raised {type(error).__name__}: {error}"
            listener(HookFailed(milestone=notice.event, message=said))


def commands(settings: HookSettings) -> tuple[Hook, ...]:
    """Give the hooks that run the commands of the settings, each at its own milestone."""

    def hook(milestone: str, command: str) -> Hook:
        def run(notice: Notice) -> None:
            if notice.event == milestone:
                _run(command, notice, settings.timeout)

        return run

    milestones: tuple[Milestone, ...] = ("started", "parked", "failed", "baked", "published")
    return tuple(hook(each, command) for each in milestones for command in getattr(settings, each))


def _run(command: str, notice: Notice, timeout: float) -> None:
    """Run a command with the notice as JSON on its standard input.

    It is a session of its own: Ctrl-C does not reach it, and whatever it has started ends when its time is over.

    Raises:
        CommandFailed: it cannot be started, or ends with another status than 0.
        CommandTimedOut: it takes longer than `timeout` seconds.
    """
    told = {"AMIFORGE_EVENT": notice.event, "AMIFORGE_RUN": notice.run, "AMIFORGE_IMAGE": notice.image}
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output:
        given.write(json.dumps(asdict(notice)).encode())
        given.seek(0)
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=given,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **told},
            start_new_session=True,
        )
        try:
            status = process.wait(timeout)
        except BaseException as error:
            _end(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            lines = {
                "output": _end_of(output),
                "fix": "start what takes long in the background, or raise hooks.timeout",
            }
            raise CommandTimedOut(f"hook did not end within {timeout:g} s: {command}", **lines) from None
        if status:
            raise CommandFailed(f"hook ended with status {status}: {command}", output=_end_of(output))


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _end_of(output: Any) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(size - _SHOWN, 0))
    text: str = output.read().decode("utf-8", "replace")
    return text.strip()


class Announcer:
    """Tells the hooks what becomes of one run. An image is announced once, however many processes work on the run."""

    def __init__(self, run: Run, hooks: Sequence[Hook]) -> None:
        self._run = run
        self._hooks = hooks

    def once(self, milestone: Milestone) -> None:
        """Announce what happens once in a run; written down first, so that a killed process does not make it twice."""
        announced = self._run.state.announced
        if self._hooks and milestone not in announced:
            self._run.note(announced=(*announced, milestone))
            self.announce(milestone)

    def announce(self, milestone: Milestone, reason: str = "", resume: str = "") -> None:
        """Announce what has become of the run, with every secret masked."""
        run, report = self._run, self._run.folder / "report.html"
        state = run.state
        told = {
            "run": run.id,
            "recipe": run.recipe.name,
            "os": run.recipe.source.os,
            "arch": run.recipe.source.architecture,
            "region": run.clients.region,
            "image": state.image.id if state.image else "",
            "published": {each.region: each.image for each in state.publication} if milestone == "published" else {},
            "verified": state.verification,
            "reason": reason,
            "resume": resume,
            "report": str(report) if report.exists() else "",
        }
        seconds = round(time.time() - run.started, 3)
        tell(Notice(event=milestone, seconds=seconds, **run.redaction.data(told)), self._hooks, run.listener)


@contextmanager
def announcing(run: Run, hooks: Sequence[Hook]) -> Iterator[Announcer]:
    """Announce that a run has begun, and when the context is left, what has become of it.

    Whoever publishes announces before that there is an image: `announcer.once("baked")`.
    """
    announcer = Announcer(run, hooks)
    try:
        announcer.once("started")
        yield announcer
    except BaseException as error:
        if run.state.removed:
            announcer.once("baked")
        milestone: Milestone = "parked" if isinstance(error, Parked) else "failed"
        lines = error.lines if isinstance(error, AmiforgeError) else {}
        announcer.announce(milestone, _reason(error), lines.get("resume", ""))
        raise
    announcer.once("baked")
    if run.publish.wanted and run.state.verification == "passed":
        announcer.once("published")


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    said = error.message if isinstance(error, AmiforgeError) else f"{type(error).__name__}: {error}"
    return ": ".join(filter(None, (said, getattr(error, "lines", {}).get("reason", ""))))
