"""Services: a systemd unit runs or not, starts at boot or not, and has read its configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State, Unknown
from amiforge.errors import RecipeError
from amiforge.resources.file_state import AbsolutePath, look_at
from amiforge.resources.strict import STRICT
from amiforge.resources.unit_state import UnitState, look_at_unit
from amiforge.shell import argv
from amiforge.systems.system import System

_SUFFIXES = "service|socket|device|mount|automount|swap|target|path|timer|slice|scope"

#: Seconds that systemctl may wait for a unit; systemd's own default for one is 90.
UNIT_TIMEOUT = 300


def _unit(unit: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_@:.\\][A-Za-z0-9_@:.\\-]*", unit):
        raise RecipeError(f"{unit!r} is no name of a unit", fix="write it as systemctl list-units does")
    return unit if re.search(rf"\.({_SUFFIXES})$", unit) else f"{unit}.service"


@dataclass(frozen=True, config=STRICT)
class Service(Resource):
    """A systemd unit in the given state.

    Service("nvidia-persistenced")                                     runs now and from every boot on
    Service("nvidia-fabricmanager", running=None)                      at boot only: a builder lacks the GPU
    Service("sshd", restart_after=("/etc/ssh/sshd_config.d/x.conf",))  … and was started after that file was written
    Service("dnf-makecache.timer", running=False, enabled=False)
    Service("nouveau-fallback", masked=True)                           can be started by nobody

    A restart is needed when the host shows that it is, so one that an earlier, failed run left over is made up for.

    Attributes:
        unit: name of the unit; without a suffix it is a service.
        running: None leaves it as it is.
        enabled: starts at boot; None leaves it as it is.
        masked: stopped, and can be started by nobody.
        restart_after: paths of files it reads only when it starts.
    """

    unit: Annotated[str, AfterValidator(_unit)]
    running: bool | None = True
    enabled: bool | None = True
    masked: bool = False
    restart_after: tuple[AbsolutePath, ...] = ()

    @property
    def name(self) -> str:
        """`service sshd.service`."""
        return f"service {self.unit}"

    def queries(self, system: System) -> tuple[Query[Any], ...]:
        """Ask for the unit, and for the files it must have read."""
        files = (look_at(path) for path in self.restart_after)
        return (look_at_unit(self.unit), *files) if system.systemd else ()

    def desired(self, system: System) -> State:
        """Give what of mask, boot, activity, unit file and configuration is wanted."""
        if self.masked:
            return {"masked": True, "active": "inactive"}
        wanted: dict[str, str | bool] = {"unit_file": "loaded", "masked": False}
        if self.enabled is not None:
            wanted["enabled"] = "enabled" if self.enabled else "disabled"
        if self.running is not None:
            wanted["active"] = "active" if self.running else "inactive"
        if self.running and self.restart_after:
            wanted["configuration"] = "in use"
        return wanted

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same of the unit.

        Raises:
            Unknown: there is no such unit, or no systemd.
        """
        if not system.systemd:
            raise Unknown("systemd does not run on this host")
        unit = replies[look_at_unit(self.unit)]
        wanted_off = self.masked or not (self.running or self.enabled)
        if unit.load == "not-found" and not wanted_off:
            raise Unknown(f"{self.unit} is not installed")
        if unit.load in {"bad-setting", "error"}:
            raise Unknown(f"systemd cannot read {self.unit}: {unit.load}")
        return {
            "unit_file": "changed on disk" if unit.outdated else "loaded",
            "masked": unit.load == "masked",
            "enabled": _enabled(unit, wanted=bool(self.enabled)),
            "active": _active(unit, wanted=bool(self.running) and not self.masked),
            "configuration": self._configuration(replies, unit),
        }

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Give one systemctl call for each thing that differs; a restart covers a start."""
        if "unit_file" in differing:
            yield Change("reload systemd's unit files", argv("systemctl", "daemon-reload"), timeout=UNIT_TIMEOUT)
        if "active" in differing and (self.masked or not self.running):
            yield self._systemctl("stop")
        if "masked" in differing:
            yield self._systemctl("mask" if self.masked else "unmask")
        if "enabled" in differing:
            yield self._systemctl("enable" if self.enabled else "disable")
        if "active" in differing and self.running and not self.masked:
            yield self._systemctl("start")
        elif "configuration" in differing:
            yield self._systemctl("restart")

    def _systemctl(self, verb: str) -> Change:
        return Change(f"{verb} {self.unit}", argv("systemctl", verb, "--", self.unit), timeout=UNIT_TIMEOUT)

    def _configuration(self, replies: Replies, unit: UnitState) -> str:
        if _active(unit, wanted=True) != "active":
            return "in use"
        newer = [path for path in self.restart_after if replies[look_at(path)].mtime > unit.started]
        return f"newer than its start: {', '.join(newer)}" if newer else "in use"


def _enabled(unit: UnitState, *, wanted: bool) -> str:
    if wanted:
        return "enabled" if unit.file == "alias" else unit.file
    return unit.file if unit.file.startswith("enabled") else "disabled"


def _active(unit: UnitState, *, wanted: bool) -> str:
    if wanted:
        return "active" if unit.active == "reloading" else unit.active
    return "inactive" if unit.active == "failed" else unit.active
