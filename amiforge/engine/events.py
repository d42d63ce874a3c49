"""What happens during a run, as typed values. Console, JSON lines and reports listen; the engine prints nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["ok", "changed", "ran", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, with the time it did (seconds since the epoch)."""

    at: float = field(default_factory=time.time)

    def as_json(self) -> dict[str, Any]:
        """Give plain data with the event's name under `event`."""
        return {"event": type(self).__name__, **asdict(self)}


Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """A step of a bake, or of a sandbox's preparation, begins: `launch builder`, `create image`."""

    step: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """A step came to its end."""

    step: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Event):
    """A heartbeat while we wait for something outside: what for, and what it says now."""

    what: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyStarted(Event):
    """Work on a host begins; `tasks` are the names in order, `resources` how many there are in all."""

    host: str
    system: str
    tasks: tuple[str, ...]
    resources: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted(Event):
    """A task's first resource is about to be looked at."""

    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFinished(Event):
    """All resources of a task are as wanted."""

    task: str
    seconds: float
    changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadStarted(Event):
    """A download begins beside everything else, ahead of its turn; `ChangeStarted` tells of the turn itself."""

    task: str
    resource: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeStarted(Event):
    """A command that changes the host is about to run."""

    task: str
    resource: str
    summary: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutput(Event):
    """A piece of a running job's output, as it came."""

    task: str
    resource: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceFinished(Event):
    """A resource is as wanted: it was (`ok`), it was made so and read again (`changed`), or it cannot be read (`ran`).

    `differences` maps each key that differed to what was and what is wanted.
    """

    task: str
    resource: str
    status: Status
    seconds: float = 0.0
    differences: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootStarted(Event):
    """The host is about to be rebooted."""

    host: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootFinished(Event):
    """The host is back with a new boot id, and settled."""

    host: str
    seconds: float
    kernel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLost(Event):
    """The connection died while a job was running; we are about to connect again and re-attach."""

    host: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRecorded(Event):
    """A download without a known digest was hashed on first use; belongs in amiforge.lock."""

    url: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecorded(Event):
    """A signing key without a known fingerprint was trusted on first use; belongs in amiforge.lock."""

    url: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyFinished(Event):
    """All tasks are done."""

    host: str
    seconds: float
    ok: int
    changed: int
    ran: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinished(Event):
    """One statement about a host was tested; `host` is its name where there are several, and empty otherwise."""

    task: str
    title: str
    outcome: Literal["passed", "failed", "skipped"]
    detail: str = ""
    seconds: float = 0.0
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostVerified(Event):
    """Of several hosts, one is done: how many checks ended how, or the error for which it could not be verified."""

    host: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationFinished(Event):
    """All hosts are done.

    Attributes:
        hosts: each host's state, counts and error.
        failures: each check that failed anywhere to its reasons, and those to hosts.
        differing: each name of which hosts have different versions to those versions, and those to hosts.
    """

    recipe: str
    seconds: float
    hosts: Mapping[str, Mapping[str, Any]]
    failures: Mapping[str, Mapping[str, Sequence[str]]]
    differing: Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFailed(Event):
    """Somebody who was to be told what became of a bake was not; `milestone` is what he was to be told."""

    milestone: str
    message: str
    lines: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """The run ends with an error; `lines` are its labelled lines."""

    message: str
    lines: Mapping[str, str] = field(default_factory=dict)


def silent(_event: Event) -> None:
    """Listen to nothing."""
