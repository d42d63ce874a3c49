from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from amiforge.engine.query import Answer, Replies
from amiforge.errors import RecipeError
from amiforge.resources.file_state import FileState
from amiforge.resources.kernel_module import KernelModule
from amiforge.resources.module_state import MODULES, ModuleState, in_initramfs, look_at_module
from amiforge.systems.ubuntu2404 import UBUNTU2404
from tests.realshell import SYSTEM, ask, converge, differing, own_etc, programs

MACHINE = replace(SYSTEM, container=False, kernel="6.1.1", default_kernel="6.1.2")
UBUNTU = replace(MACHINE, os=UBUNTU2404, default_kernel="6.1.1")
NOUVEAU = KernelModule("nouveau", blacklist=True, options={"modeset": "0"})

#: Images are text files; the module is in them unless dracut's configuration leaves it out.
DRACUT = """
while [ $# -gt 1 ]; do shift; done
echo "drivers/net/ena.ko" >"/boot/initramfs-$1.img"
grep -q 'omit_drivers+=" nouveau "' /etc/dracut.conf.d/*.conf || echo drivers/nouveau.ko.xz >>"/boot/initramfs-$1.img"
"""
LSINITRD = 'cat "/boot/initramfs-$2.img"'


def test_commands() -> None:
    assert [str(change.command) for change in KernelModule("efa").changes(frozenset({"load_at_boot"}), MACHINE)] == [
        "rm -f -- /etc/modules-load.d/amiforge-efa.conf"
    ]
    load = KernelModule("tcp-bbr", load_at_boot=True, loaded=True)
    file, modprobe = load.changes(frozenset({"load_at_boot", "loaded"}), MACHINE)
    assert file.command.args[0] == "/etc/modules-load.d/amiforge-tcp_bbr.conf"
    assert str(modprobe.command) == "modprobe -- tcp_bbr"
    rebuilds = NOUVEAU.changes(frozenset({"initramfs_with_it"}), MACHINE)
    assert [change.command.args for change in rebuilds] == [
        ("dracut", "--force", "--kver", "6.1.1"),
        ("dracut", "--force", "--kver", "6.1.2"),
    ]
    (rebuild,) = NOUVEAU.changes(frozenset({"initramfs_with_it"}), UBUNTU)
    assert rebuild.command.args == ("update-initramfs", "-u", "-k", "6.1.1")
    assert rebuild.job


def test_files_hold_what_modprobe_reads() -> None:
    modprobe, dracut = NOUVEAU.changes(frozenset({"modprobe", "dracut"}), MACHINE)
    assert modprobe.command.args[-1] == "YmxhY2tsaXN0IG5vdXZlYXUKb3B0aW9ucyBub3V2ZWF1IG1vZGVzZXQ9MAo="
    assert dracut.command.args[0] == "/etc/dracut.conf.d/amiforge-nouveau.conf"
    assert set(NOUVEAU.desired(MACHINE)) - set(NOUVEAU.desired(UBUNTU)) == {"dracut"}


def test_the_kernel_of_a_container_is_not_asked() -> None:
    resource = KernelModule("efa", load_at_boot=True, loaded=True)
    assert look_at_module("efa") in list(resource.queries(MACHINE))
    assert look_at_module("efa") not in list(resource.queries(SYSTEM))
    assert "loaded" not in resource.desired(SYSTEM)


def test_an_initramfs_that_holds_the_module_differs() -> None:
    replies = {query: FileState() for query in NOUVEAU.queries(MACHINE)}
    images = {in_initramfs("nouveau", "6.1.1", MACHINE.os.initramfs): False}
    images[in_initramfs("nouveau", "6.1.2", MACHINE.os.initramfs)] = True
    assert NOUVEAU.actual(Replies({**replies, **images}), MACHINE)["initramfs_with_it"] == ("6.1.2",)


@pytest.mark.parametrize(
    ("stdout", "expected"),
    [
        (b"", ModuleState(loaded=False, blacklisted=False)),
        (b"loaded i2c_dev\nblacklisted i2c-dev\n", ModuleState(loaded=True, blacklisted=True)),
        (b"loaded i2c_dev_more\n", ModuleState(loaded=False, blacklisted=False)),
    ],
)
def test_dashes_and_underscores_in_a_name_are_one(stdout: bytes, expected: ModuleState) -> None:
    assert MODULES.parse(Answer(0, stdout, b""), ["i2c_dev"]) == {"i2c_dev": expected}


@pytest.mark.parametrize("name", ["", "-r", "a b", "a.ko", "../x"])
def test_what_is_no_module_is_refused(name: str) -> None:
    with pytest.raises(RecipeError):
        KernelModule(name)


def test_contradictions_and_odd_options_are_refused() -> None:
    with pytest.raises(RecipeError, match="is to be loaded and blacklisted"):
        KernelModule("x", load_at_boot=True, blacklist=True)
    with pytest.raises(RecipeError, match="is no option"):
        KernelModule("x", options={"a": "1\ninstall x /bin/sh"})


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_idempotence_and_drift(tmp_path: Path, shell: str) -> None:
    within = own_etc(tmp_path)
    prelude = programs(tmp_path / "bin", dracut=DRACUT, lsinitrd=LSINITRD)
    for kernel in ("6.1.1", "6.1.2"):
        (tmp_path / "boot" / f"initramfs-{kernel}.img").write_text("drivers/nouveau.ko.xz\n")
    first = ask(NOUVEAU, MACHINE, shell, prelude, within)
    assert differing(first) == {"modprobe", "dracut", "initramfs_with_it"}
    converge(first, shell, prelude, within)
    assert ask(NOUVEAU, MACHINE, shell, prelude, within).as_wanted
    (tmp_path / "etc/modprobe.d/amiforge-nouveau.conf").write_text("")
    assert differing(ask(NOUVEAU, MACHINE, shell, prelude, within)) == {"modprobe"}
    converge(ask(NOUVEAU, MACHINE, shell, prelude, within), shell, prelude, within)
    assert ask(NOUVEAU, MACHINE, shell, prelude, within).as_wanted
    (tmp_path / "boot/initramfs-6.1.2.img").write_text("drivers/nouveau.ko.xz\n")
    again = ask(NOUVEAU, MACHINE, shell, prelude, within)
    assert [difference.actual for difference in again.differences] == [("6.1.2",)]
    off = KernelModule("nouveau")
    converge(ask(off, MACHINE, shell, prelude, within), shell, prelude, within)
    assert ask(off, MACHINE, shell, prelude, within).as_wanted
    assert not list((tmp_path / "etc").rglob("amiforge-*"))
