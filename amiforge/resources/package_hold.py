"""Package holds: packages that stay at the version they have."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from pydantic.dataclasses import dataclass

from amiforge.engine.query import Query, QueryKind, Replies
from amiforge.engine.resource import Change, Resource, State, Unknown
from amiforge.errors import RecipeError
from amiforge.resources.packages import Patterns
from amiforge.resources.strict import STRICT
from amiforge.systems.package_manager import Holds, PackageManager
from amiforge.systems.system import System


@cache
def _holds(manager: PackageManager) -> QueryKind[Holds]:
    return QueryKind(
        "package holds", manager.holds_query, lambda answer, items: manager.read_holds(answer.text, items), slow=True
    )


@dataclass(frozen=True, config=STRICT)
class PackageHold(Resource):
    """The installed packages that match stay at their versions, or may move again.

    PackageHold(("kernel*",))                 held
    PackageHold(("nvidia*",), held=False)     free

    A pattern that no installed package matches holds nothing, and is as wanted as long as another one does.

    Attributes:
        patterns: names or shell patterns.
        held: False to let the packages move again.
    """

    patterns: Patterns
    held: bool = True

    def __post_init__(self) -> None:
        if not self.patterns:
            raise RecipeError("a hold of no packages", fix="name a package or a pattern")

    @property
    def name(self) -> str:
        """`hold of kernel*`."""
        return f"hold of {', '.join(self.patterns)}"

    def queries(self, system: System) -> Iterator[Query[Holds]]:
        """Ask which installed packages match, and which of them are held."""
        for pattern in self.patterns:
            yield Query(_holds(system.os.packages), pattern)

    def desired(self, system: System) -> State:
        """Give `held` or `free`, a pattern."""
        return dict.fromkeys(self.patterns, "held" if self.held else "free")

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same, or the packages that are not so.

        Raises:
            Unknown: nothing is installed yet that could be held.
        """
        found = {query.item: replies[query] for query in self.queries(system)}
        if self.held and not any(holds.held or holds.free for holds in found.values()):
            raise Unknown(f"no package that matches {', '.join(self.patterns)} is installed yet")
        return {pattern: self._state(holds) for pattern, holds in found.items()}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Hold or free what differs, in one go."""
        manager = system.os.packages
        patterns = [pattern for pattern in self.patterns if pattern in differing]
        verb, command = ("hold", manager.hold(patterns)) if self.held else ("free", manager.unhold(patterns))
        yield Change(f"{verb} {', '.join(patterns)}", command, job=True, locks=manager.locks)

    def _state(self, holds: Holds) -> str:
        if self.held:
            return f"free: {', '.join(holds.free)}" if holds.free else "held"
        return f"held: {', '.join(holds.held)}" if holds.held else "free"
