"""The idempotence law on a pretended host."""

from __future__ import annotations

from amiforge.engine.plan import Planned
from amiforge.engine.resource import Resource
from amiforge.systems.system import System
from tests.realshell import ask, converge, differing
from tests.unit.resources.package_host import PackageHost


class Law:
    """Plans and applies resources on a pretended host."""

    def __init__(self, host: PackageHost, system: System) -> None:
        self.host = host
        self.system = system

    def plan(self, resource: Resource) -> Planned:
        before = {**self.host.read(), "log": []}
        planned = ask(resource, self.system, prelude=self.host.prelude)
        assert {**self.host.read(), "log": []} == before, "a question changed the host"
        return planned

    def holds(self, resource: Resource, *keys: str) -> None:
        """Plan exactly these keys, apply, and find nothing more to do."""
        planned = self.plan(resource)
        assert differing(planned) == set(keys)
        converge(planned, prelude=self.host.prelude)
        assert self.plan(resource).as_wanted
