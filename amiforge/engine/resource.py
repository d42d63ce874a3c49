"""The desired state of one thing on a host."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from amiforge.engine.download import Download
from amiforge.engine.query import Query, Replies
from amiforge.shell import Command
from amiforge.systems.system import System

Value = str | int | bool | tuple[str, ...] | None
#: Simple values only, so that a difference can be shown, hashed and written as JSON without further thought.
State = Mapping[str, Value]


class Unknown(Exception):
    """The state cannot be told before earlier changes are made, as of a service whose package is missing.

    Legal in a plan, where it shows as "unknown until applied"; at the resource's turn in an apply it is a failure.
    """


#: Stands where a change is a reboot, which is the engine's own work.
REBOOT = Command("")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference and the command that removes it.

    Attributes:
        summary: what people read, as `install jq, git`.
        command: what runs, as root.
        job: run detached, with live output, surviving a lost link: package transactions, installers, builds, anything
            over a few seconds.
        locks: paths of lock files that must be free before the command starts.
        timeout: seconds the command may take.
        prefetch: a job that depends on nothing before it, such as a download, and may start ahead of its turn.
        reboot: not a command but a reboot, for the reason in `summary`.
    """

    summary: str
    command: Command = REBOOT
    job: bool = False
    locks: tuple[str, ...] = ()
    timeout: float = 3600
    prefetch: bool = False
    reboot: bool = False


class Resource(ABC):
    """The desired state of one thing: a frozen value with four small pure methods.

    It does no I/O, knows no host and prints nothing. What the operating system decides (package manager, paths) comes
    in as `system`. Subclasses are frozen pydantic dataclasses: `@dataclass(frozen=True, config=STRICT)`.

    Attributes:
        contained: a change of this resource touches nothing that another resource's query can see, except one of the
            same path. Everything else makes all later answers stale. True for files.
        exclusive: two resources of one name that differ contradict each other, and are refused.
        provable: the host can be asked whether it is as wanted. Where False, `actual` is never called, the changes
            always run, and the result is reported as `ran`, never as `ok`.
    """

    contained: ClassVar[bool] = False
    exclusive: ClassVar[bool] = False
    provable: ClassVar[bool] = True

    @property
    @abstractmethod
    def name(self) -> str:
        """What people call it: kind and subject, as `packages jq, git` or `file /etc/motd`."""

    @abstractmethod
    def queries(self, system: System) -> Iterable[Query[Any]]:
        """Give every question whose answer `actual` needs."""

    def resolved(self, replies: Replies, system: System) -> Resource:
        """Give the resource with what its changes must know of the host; itself where keys that differ are enough."""
        return self

    @abstractmethod
    def desired(self, system: System) -> State:
        """Give the state the host should be in."""

    @abstractmethod
    def actual(self, replies: Replies, system: System) -> State:
        """Give the state the host is in, with the same keys as `desired`.

        Raises:
            Unknown: it cannot be told until earlier changes are made.
        """

    def downloads(self, system: System) -> Iterator[Download]:
        """Give what the host fetches from outside when the resource is made; by `system.mirrored`, all of it."""
        yield from ()

    @abstractmethod
    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Give what brings the keys that differ to their desired values, in order."""
