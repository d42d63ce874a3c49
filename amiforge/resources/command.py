"""Commands: with a proof that says when they are done, or without one and then never called done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic.dataclasses import dataclass

from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State
from amiforge.resources.observation import Observation, observe
from amiforge.resources.strict import STRICT
from amiforge.shell import Command
from amiforge.systems.system import System


@dataclass(frozen=True, config=STRICT)
class Run(Resource):
    """A command that runs unless its proof says that it is done, and has to make the proof say so.

    Run("build the man page index", argv("mandb"), proof="test -s /var/cache/man/index.db")

    Attributes:
        what: what people read: a verb and what it is about.
        command: what runs, as root.
        proof: read-only command, or sh text without arguments, that ends with status 0 when there is nothing to do.
        job: detached and followed; False for what takes no longer than a moment.
        locks: paths of lock files that must be free before it starts.
        timeout: seconds it may take.
    """

    what: str
    command: Command
    proof: Command | str
    job: bool = True
    locks: tuple[str, ...] = ()
    timeout: float = 3600

    @property
    def name(self) -> str:
        """`run build the man page index`."""
        return f"run {self.what}"

    def queries(self, system: System) -> tuple[Query[Observation], ...]:
        """Ask for the proof."""
        return (observe(self.proof),)

    def desired(self, system: System) -> State:
        """Want the proof to say yes."""
        return {"done": True}

    def actual(self, replies: Replies, system: System) -> State:
        """Tell what the proof says."""
        return {"done": replies[observe(self.proof)].status == 0}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Run the command."""
        yield Change(self.what, self.command, self.job, self.locks, self.timeout)


@dataclass(frozen=True, config=STRICT)
class RunAlways(Resource):
    """A command that nothing can prove: it runs in every apply, and is reported as `ran`.

    RunAlways("rebuild the linker cache", argv("ldconfig"))
    """

    provable: ClassVar[bool] = False

    what: str
    command: Command
    job: bool = True
    locks: tuple[str, ...] = ()
    timeout: float = 3600

    @property
    def name(self) -> str:
        """`run rebuild the linker cache`."""
        return f"run {self.what}"

    def queries(self, system: System) -> tuple[Query[Observation], ...]:
        """Ask nothing."""
        return ()

    def desired(self, system: System) -> State:
        """Want nothing that could be compared."""
        return {}

    def actual(self, replies: Replies, system: System) -> State:
        """Know nothing."""
        return {}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Run the command."""
        yield Change(self.what, self.command, self.job, self.locks, self.timeout)
