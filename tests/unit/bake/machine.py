"""A machine for bakes in unit tests: answers the scripts that a bake sends, and remembers what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from amiforge.bake.login import Login
from amiforge.bake.run import Means
from amiforge.engine.apply import Report
from amiforge.engine.events import Listener
from amiforge.errors import AuthRefused
from amiforge.host.base import Host, Output
from amiforge.host.fake import FakeHost
from amiforge.recipes.recipe import Recipe
from amiforge.settings import EngineSettings
from amiforge.systems.system import System


@dataclass
class Machines:
    """Every instance looks like a machine of its own, whose identity comes from the key that opens it."""

    hosts: list[FakeHost] = field(default_factory=list)
    dirty: str = ""
    opened: dict[str, str] = field(default_factory=dict)
    problems: str = ""
    same_identity: bool = False

    def means(self) -> Means:
        """Give what a bake needs, all of it ours."""
        return Means(connect=self.connect, provision=self.provision, verify=lambda host, *_: host.run("checks"))

    def connect(self, login: Login) -> Host:
        """Give the machine at an address. It accepts the first key that came to it, and no other one."""
        key = login.key.reveal()
        if self.opened.setdefault(login.address, key) != key:
            return _Closed(self._answer)
        host = FakeHost(self._answer)
        self.hosts.append(host)
        return host

    def provision(
        self, host: Host, _recipe: Recipe, _settings: EngineSettings, _listener: Listener, _run: str
    ) -> Report:
        """Do as if all was as wanted."""
        host.run("tasks")
        return Report(System(os=None), (), 0.0)  # type: ignore[arg-type]

    def _answer(self, script: str) -> Output:
        number = 1 if self.same_identity else len(self.hosts)
        if "cloud-init status --wait" in script:
            said = ("cloud-init\t0", "system\trunning", "boot\tb", f"machine\t{number:032x}", f"host-key\tAAA{number}")
            return Output(0, "\n".join((*said, "end\t\n")).encode())
        if "reboot is still required" in script:
            return Output(0, self.problems.encode())
        if "/log" in script and "job status" in script:
            report = "".join(f"left\t{line}\n" for line in self.dirty.splitlines()) or "proven\t2\n"
            return Output(0, report.encode(), f"job status {int(bool(self.dirty))}\n".encode())
        if "dpkg-query -W" in script:
            return Output(0, b"kernel\tkernel\t6.12.1\nos\tos\tAmazon Linux 2023\npackage\tjq\t1.7-1\n")
        return Output(0)


class _Closed(FakeHost):
    def connect(self) -> None:
        raise AuthRefused("fake refused the key")
