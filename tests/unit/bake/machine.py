"""A machine for bakes in unit tests: answers the scripts that a bake sends, and remembers what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from amiforge.bake.login import Login
from amiforge.bake.run import Means
from amiforge.engine.apply import Report
from amiforge.engine.events import Listener
from amiforge.errors import AuthRefused, CheckFailed
from amiforge.host.base import Host, Output
from amiforge.host.fake import FakeHost
from amiforge.recipes.recipe import Recipe
from amiforge.settings import EngineSettings
from amiforge.systems.system import System


@dataclass
class Machines:
    """Every instance looks like a machine of its own, whose identity comes from its address.

    `units` are those of the first one, `fresh_units` what later ones have besides; `left` rows of the wipe, `holders`
    files with the builder's key, `said` lines about a boot, `release` what the source image
    says of itself. One that `stays_up` does not reboot. Checks that are
    asked for are `bad_checks`, from the first or a later boot on; `on_check` happens then.
    """

    hosts: list[FakeHost] = field(default_factory=list)
    dirty: str = ""
    opened: dict[str, str] = field(default_factory=dict)
    problems: str = ""
    same_identity: bool = False
    stays_up: bool = False
    boots: dict[str, int] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=lambda: {"cups.service": "disabled", "sshd.service": "enabled"})
    fresh_units: dict[str, str] = field(default_factory=dict)
    left: str = ""
    holders: str = ""
    said: tuple[str, ...] = ()
    release: str = ""
    fresh_cloud_init: int = 0
    bad_checks: bool = False
    bad_checks_after_boots: int = 1_000
    on_check: Callable[[], object] = lambda: None

    def means(self) -> Means:
        """Give what a bake needs, all of it ours."""
        return Means(connect=self.connect, provision=self.provision, verify=lambda host, *_: self.check(host))

    def connect(self, login: Login) -> Host:
        """Give the machine at an address. It accepts the first key that came to it, and no other one."""
        key = login.key.reveal()
        if self.opened.setdefault(login.address, key) != key:
            return _Closed(lambda _: Output(0))
        host = FakeHost(lambda script: self._answer(script, login.address))
        self.hosts.append(host)
        return host

    def provision(
        self, host: Host, _recipe: Recipe, _settings: EngineSettings, _listener: Listener, _run: str
    ) -> Report:
        """Do as if all was as wanted."""
        host.run("tasks")
        return Report(System(os=None), (), 0.0)  # type: ignore[arg-type]

    def check(self, host: Host) -> None:
        """Put checks to a machine."""
        host.run("checks")
        self.on_check()
        if self.bad_checks or sum(self.boots.values()) >= self.bad_checks_after_boots:
            raise CheckFailed("1 of 1 checks failed", failed="jq: jq works: it is not there")

    def _answer(self, script: str, address: str) -> Output:  # noqa: PLR0911 - a script, an answer
        number = 1 if self.same_identity else 1 + [*self.opened].index(address)
        boot = f"{address}-{self.boots.get(address, 0)}"
        if "cloud-init status --wait" in script:
            said = (f"boot\t{boot}", f"machine\t{number:032x}", f"host-key\tAAA{number}", *self.said)
            status = self.fresh_cloud_init if number > 1 else 0
            return Output(0, "\n".join((f"cloud-init\t{status}", "system\trunning", *said, "end\t\n")).encode())
        if "systemctl reboot" in script:
            self.boots[address] = self.boots.get(address, 0) + (not self.stays_up)
        if script.endswith("uname -r\n"):
            return Output(0, f"{boot}\n6.12.1\n".encode())
        if "say running" in script:
            units = self.units if number == 1 else {**self.units, **self.fresh_units}
            facts = ("hostname\tweb\t", "running\t6.12.1\t", "default\t6.12.1\t")
            listed = (f"unit\t{unit}\t{state}" for unit, state in units.items())
            return Output(0, "\n".join((*facts, *listed, "end\t\t\n")).encode())
        if "open_areas" in script and "amiforge-seal." not in script:
            return Output(0, f"{self.left}end\t\n".encode())
        if "grep -laF -e" in script:
            return Output(0, f"{self.holders}end\n".encode())
        if "reboot is still required" in script:
            return Output(0, self.problems.encode())
        if "/log" in script and "job status" in script:
            report = "".join(f"left\t{line}\n" for line in self.dirty.splitlines()) or "proven\t2\n"
            return Output(0, report.encode(), f"job status {int(bool(self.dirty))}\n".encode())
        if "dpkg-query -W" in script:
            rows = ("kernel\t6.12.1", "os\tamzn\t2023\tAmazon Linux 2023", "deb\tjq\t1.7-1\tamd64\tjq")
            release = (f"release\t{line}" for line in self.release.splitlines())
            return Output(0, "\n".join((*rows, *release, "end\t\n")).encode())
        return Output(0)


class _Closed(FakeHost):
    def connect(self) -> None:
        raise AuthRefused("fake refused the key")
