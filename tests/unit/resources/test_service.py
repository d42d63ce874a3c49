from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from amiforge.engine.query import Answer, Replies
from amiforge.engine.resource import Unknown
from amiforge.errors import FactUnreadable, RecipeError
from amiforge.resources.file_state import FileState, look_at
from amiforge.resources.service import Service
from amiforge.resources.unit_state import UNITS, UnitState, look_at_unit
from tests.realshell import SYSTEM, ask, converge, differing

LOADED = UnitState("loaded", "active", "enabled", outdated=False, started=1000.0)

#: Stands in for systemctl where no systemd runs: units are folders of one-line files.
SYSTEMCTL = r"""#!/bin/sh
verb=$1; shift
cd "$UNITS" || exit
now() { read -r up _ </proc/uptime; echo "${up%.*}${up#*.}0000"; }
case $verb in
show)
  while [ "$1" != -- ]; do shift; done; shift
  first=1
  for unit do
    [ -n "$first" ] || echo; first=
    if [ ! -d "$unit" ]; then
      printf 'Id=%s\nLoadState=not-found\nActiveState=inactive\nNeedDaemonReload=no\n' "$unit"
    else
      printf 'Id=%s\n' "$unit"
      for property in LoadState ActiveState UnitFileState NeedDaemonReload ExecMainStartTimestampMonotonic; do
        printf '%s=%s\n' "$property" "$(cat "$unit/$property")"
      done
    fi
  done;;
daemon-reload) for unit in *; do echo no >"$unit/NeedDaemonReload"; done;;
start|restart) echo active >"$2/ActiveState"; now >"$2/ExecMainStartTimestampMonotonic";;
stop) echo inactive >"$2/ActiveState";;
enable) echo enabled >"$2/UnitFileState";;
disable) echo disabled >"$2/UnitFileState";;
mask) echo masked >"$2/LoadState"; echo masked >"$2/UnitFileState";;
unmask) echo loaded >"$2/LoadState"; echo disabled >"$2/UnitFileState";;
*) exit 1;;
esac
"""


def actual(resource: Service, unit: UnitState, **mtimes: float) -> dict[str, object]:
    files = {look_at(f"/{name}"): FileState("file", mtime=mtime) for name, mtime in mtimes.items()}
    wanted = resource.desired(SYSTEM)
    found = resource.actual(Replies({look_at_unit(resource.unit): unit, **files}), SYSTEM)
    return {key: found[key] for key in wanted if found[key] != wanted[key]}


@pytest.mark.parametrize(
    ("resource", "keys", "expected"),
    [
        (Service("x"), ["active"], ["systemctl start -- x.service"]),
        (
            Service("x"),
            ["unit_file", "masked", "enabled", "active"],
            [
                "systemctl daemon-reload",
                "systemctl unmask -- x.service",
                "systemctl enable -- x.service",
                "systemctl start -- x.service",
            ],
        ),
        (Service("x"), ["configuration"], ["systemctl restart -- x.service"]),
        (Service("x"), ["active", "configuration"], ["systemctl start -- x.service"]),
        (Service("x", running=False), ["active"], ["systemctl stop -- x.service"]),
        (Service("x", enabled=False), ["enabled"], ["systemctl disable -- x.service"]),
        (
            Service("x.timer", masked=True),
            ["active", "masked"],
            ["systemctl stop -- x.timer", "systemctl mask -- x.timer"],
        ),
    ],
)
def test_commands(resource: Service, keys: list[str], expected: list[str]) -> None:
    assert [str(change.command) for change in resource.changes(frozenset(keys), SYSTEM)] == expected


@pytest.mark.parametrize(
    ("resource", "unit", "expected"),
    [
        (Service("x"), LOADED, {}),
        (Service("x"), replace(LOADED, active="reloading", file="alias"), {}),
        (Service("x"), replace(LOADED, active="failed"), {"active": "failed"}),
        (Service("x"), replace(LOADED, file="static"), {"enabled": "static"}),
        (Service("x"), replace(LOADED, outdated=True), {"unit_file": "changed on disk"}),
        (Service("x", running=None), replace(LOADED, active="inactive"), {}),
        (Service("x", enabled=None), replace(LOADED, file="static"), {}),
        (Service("x", running=False, enabled=False), replace(LOADED, active="failed", file="static"), {}),
        (Service("x", running=False, enabled=False), UnitState("not-found", "inactive", "", False, 0), {}),
        (Service("x", masked=True), UnitState("not-found", "inactive", "", False, 0), {"masked": False}),
        (Service("x", masked=True), replace(LOADED, load="masked", active="failed"), {}),
    ],
)
def test_differences(resource: Service, unit: UnitState, expected: dict[str, object]) -> None:
    assert actual(resource, unit) == expected


def test_a_file_written_after_the_start_asks_for_a_restart() -> None:
    resource = Service("x", restart_after=("/new", "/old"))
    assert actual(resource, LOADED, new=1000.1, old=999.9) == {"configuration": "newer than its start: /new"}
    assert actual(resource, LOADED, new=1000.0, old=999.9) == {}
    assert actual(resource, replace(LOADED, active="inactive"), new=2000, old=2000) == {"active": "inactive"}


@pytest.mark.parametrize("load", ["not-found", "bad-setting", "error"])
def test_a_unit_that_systemd_has_not_loaded_is_unknown(load: str) -> None:
    with pytest.raises(Unknown):
        actual(Service("x"), replace(LOADED, load=load))


def test_without_systemd_nothing_is_asked_and_all_is_unknown() -> None:
    bare = replace(SYSTEM, systemd=False)
    assert list(Service("x").queries(bare)) == []
    with pytest.raises(Unknown, match="systemd does not run"):
        Service("x").actual(Replies({}), bare)


@pytest.mark.parametrize("unit", ["", "-x", "a b", "../x", "x;y"])
def test_a_name_that_is_none_is_refused(unit: str) -> None:
    with pytest.raises(RecipeError):
        Service(unit)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(1, b"", b"Failed to connect to bus"),
        Answer(0, b"10.0 1000.0\n\nLoadState=loaded\n", b""),
        Answer(0, b"garbage\n\nLoadState=loaded\nActiveState=active\n", b""),
        Answer(
            0, b"10.0 1000.0\n\nLoadState=loaded\nActiveState=active\n\nLoadState=loaded\nActiveState=active\n", b""
        ),
    ],
)
def test_an_answer_that_makes_no_sense_is_unreadable(answer: Answer) -> None:
    with pytest.raises(FactUnreadable):
        UNITS.parse(answer, ["x.service"])


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_idempotence_and_drift(tmp_path: Path, shell: str) -> None:
    program, units, config = tmp_path / "bin" / "systemctl", tmp_path / "units", tmp_path / "config"
    program.parent.mkdir()
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    units.mkdir()
    config.write_text("x")
    prelude = f"PATH='{program.parent}':$PATH UNITS='{units}'; export UNITS"
    resource = Service("x", restart_after=(str(config),))
    assert ask(resource, shell=shell, prelude=prelude).unknown == "x.service is not installed"
    facts = {
        "LoadState": "masked",
        "ActiveState": "inactive",
        "UnitFileState": "masked",
        "NeedDaemonReload": "yes",
        "ExecMainStartTimestampMonotonic": "0",
    }
    unit = units / "x.service"
    unit.mkdir()
    for name, value in facts.items():
        (unit / name).write_text(f"{value}\n")
    first = ask(resource, shell=shell, prelude=prelude)
    assert differing(first) == {"unit_file", "masked", "enabled", "active"}
    time.sleep(0.05)
    converge(first, shell, prelude)
    assert ask(resource, shell=shell, prelude=prelude).as_wanted
    drifts = {"enabled": (unit / "UnitFileState", "disabled\n"), "active": (unit / "ActiveState", "failed\n")}
    for key, (path, value) in {**drifts, "configuration": (config, "y")}.items():
        time.sleep(0.05)
        path.write_text(value)
        again = ask(resource, shell=shell, prelude=prelude)
        assert differing(again) == {key}
        time.sleep(0.05)
        converge(again, shell, prelude)
        assert ask(resource, shell=shell, prelude=prelude).as_wanted
