from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from amiforge.engine.plan import Item, Planned, assess
from amiforge.engine.query import Replies
from amiforge.resources.module_state import ModuleState
from amiforge.resources.reboot import RebootIfNeeded
from amiforge.systems.system import System
from amiforge.systems.ubuntu2404 import UBUNTU2404
from tests.realshell import SYSTEM, ask, own_etc, programs

MACHINE = replace(SYSTEM, container=False, kernel="6.1.1", default_kernel="6.1.1")
NEWER = replace(MACHINE, default_kernel="6.1.2")
LOADED = ModuleState(loaded=True, blacklisted=True)
NOUVEAU = "a blacklisted module is loaded (nouveau)"
HARMLESS = ModuleState(loaded=True, blacklisted=False)


def plan(system: System, now: System, required: tuple[str, ...], module: ModuleState) -> Planned:
    resource = RebootIfNeeded()
    facts, asked, *modules = resource.queries(system)
    replies = Replies({facts: now, asked: required, **dict.fromkeys(modules, module)})
    return assess(Item("test", resource), replies, system)


@pytest.mark.parametrize(
    ("system", "now", "required", "module", "reason"),
    [
        (MACHINE, MACHINE, (), HARMLESS, ""),
        (MACHINE, replace(MACHINE, default_kernel=""), (), HARMLESS, ""),
        (MACHINE, NEWER, (), HARMLESS, "kernel 6.1.1 runs and another one is the default"),
        (MACHINE, MACHINE, ("glibc",), HARMLESS, "the operating system asks for it"),
        (MACHINE, MACHINE, (), LOADED, NOUVEAU),
        (replace(MACHINE, container=True), MACHINE, (), LOADED, ""),
        (
            MACHINE,
            NEWER,
            ("glibc",),
            LOADED,
            f"kernel 6.1.1 runs and another one is the default; {NOUVEAU}; the operating system asks for it",
        ),
    ],
)
def test_reasons(system: System, now: System, required: tuple[str, ...], module: ModuleState, reason: str) -> None:
    planned = plan(system, now, required, module)
    assert planned.as_wanted is not bool(reason)
    assert [(change.summary, change.reboot) for change in planned.changes] == ([(reason, True)] if reason else [])


def test_a_new_kernel_is_noticed_though_the_system_was_read_before() -> None:
    (difference,) = plan(MACHINE, NEWER, (), HARMLESS).differences
    assert difference.actual == "6.1.1 runs, 6.1.2 is next"


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_idempotence_and_each_reason(tmp_path: Path, shell: str) -> None:
    within = own_etc(tmp_path)
    (tmp_path / "etc" / "os-release").write_text('ID=ubuntu\nVERSION_ID="24.04"\n')
    system = replace(SYSTEM, os=UBUNTU2404, kernel="6.8.0-1-aws")
    uname = '[ "$1" = -r ] && echo 6.8.0-1-aws || echo x86_64\n'
    prelude = programs(tmp_path / "bin", uname=uname, grubby="exit 1")
    resource = RebootIfNeeded()
    boot = tmp_path / "boot" / "vmlinuz"
    boot.symlink_to("vmlinuz-6.8.0-1-aws")
    assert ask(resource, system, shell, prelude, within).as_wanted
    boot.unlink()
    boot.symlink_to("vmlinuz-6.8.0-2-aws")
    (difference,) = ask(resource, system, shell, prelude, within).differences
    assert (difference.key, difference.actual) == ("kernel", "6.8.0-1-aws runs, 6.8.0-2-aws is next")
    boot.unlink()
    boot.symlink_to("vmlinuz-6.8.0-1-aws")
    assert ask(resource, system, shell, prelude, within).as_wanted
