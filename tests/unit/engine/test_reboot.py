"""Reboots of a host that is back soon, late, never, or does not go at all. No machine is needed, and no time passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from amiforge.engine import link as link_module
from amiforge.engine.apply import apply
from amiforge.engine.events import Event, RebootFinished, RebootStarted
from amiforge.engine.resource import Resource
from amiforge.errors import NotComingBack, NotConverged, NotGoingDown, Unreachable
from amiforge.host.base import OnOutput, Output
from amiforge.resources import RebootIfNeeded
from amiforge.settings import EngineSettings
from amiforge.systems.system import System
from tests.realhost import MappedHost

pytestmark = pytest.mark.shell
SETTINGS = EngineSettings(going_down=5, coming_back=20, settle=5)
OLD, NEW = "6.12.1-1.amzn2023.x86_64", "6.12.2-2.amzn2023.x86_64"


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Rebooting(MappedHost):
    """A host whose kernel and boot id are made up, and change `after` seconds after it was told to reboot."""

    def __init__(self, root: object, clock: Clock, *, after: float, default: str = NEW) -> None:
        super().__init__(root)  # type: ignore[arg-type]
        self.clock = clock
        self.after = after
        self.kernel = OLD
        self.default = default
        self.told: list[float] = []

    def connect(self) -> None:
        if self.told and 0 < self.clock.now - self.told[-1] < self.after:
            raise Unreachable("nobody is there")
        super().connect()

    def run(self, script: str, *, timeout: float | None = None, on_output: OnOutput | None = None) -> Output:
        if "systemctl reboot" in script:
            self.told.append(self.clock.now)
            return Output(0)
        if "is-system-running" in script or script == ":":
            return Output(0)
        return super().run(self._made_up(script), timeout=timeout, on_output=on_output)

    @contextmanager
    def hold(self, script: str) -> Iterator[bytes]:
        with super().hold(self._made_up(script)) as printed:
            yield printed

    def _made_up(self, script: str) -> str:
        booted = sum(self.clock.now - at >= self.after for at in self.told)
        kernel = self.default if booted and self.default == NEW else self.kernel
        grubby = "$(grubby --default-kernel 2>/dev/null)"
        script = script.replace("$(uname -r)", kernel).replace(grubby, f"/boot/vmlinuz-{NEW}")
        (self.root / "boot_id").write_text(f"boot-{booted}\n")
        return script.replace("/proc/sys/kernel/random/boot_id", str(self.root / "boot_id"))


class Kernel:
    """A component that wants the default kernel running."""

    @classmethod
    def name(cls) -> str:
        return "kernel"

    def require(self, system: System) -> None:
        """It exists everywhere."""

    def resources(self, system: System) -> Iterator[Resource]:
        yield RebootIfNeeded()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(link_module, "time", clock)
    return clock


def test_a_host_that_needs_it_is_rebooted_once_and_its_facts_are_read_again(tmp_path: object, clock: Clock) -> None:
    host = Rebooting(tmp_path, clock, after=8)
    events: list[Event] = []
    report = apply(host, [Kernel()], listener=events.append, settings=SETTINGS)
    assert len(host.told) == 1
    assert report.system.kernel == NEW
    assert [type(event) for event in events if isinstance(event, RebootStarted | RebootFinished)] == [
        RebootStarted,
        RebootFinished,
    ]
    assert apply(host, [Kernel()], settings=SETTINGS).changed == 0
    assert len(host.told) == 1


@pytest.mark.parametrize("after", [60, float("inf")])
def test_a_host_that_stays_away_is_given_up(tmp_path: object, clock: Clock, after: float) -> None:
    with pytest.raises(NotComingBack, match="is not back"):
        apply(Rebooting(tmp_path, clock, after=after), [Kernel()], settings=SETTINGS)


def test_a_host_that_never_goes_down_is_told_apart(tmp_path: object, clock: Clock) -> None:
    class Staying(Rebooting):
        def connect(self) -> None:
            self.connections += 1

    with pytest.raises(NotGoingDown, match="has not gone down"):
        apply(Staying(tmp_path, clock, after=float("inf")), [Kernel()], settings=SETTINGS)


def test_a_reboot_that_changes_nothing_is_not_tried_twice(tmp_path: object, clock: Clock) -> None:
    host = Rebooting(tmp_path, clock, after=8, default=OLD)
    with pytest.raises(NotConverged, match="still needs a reboot after one"):
        apply(host, [Kernel()], settings=SETTINGS)
    assert len(host.told) == 1
