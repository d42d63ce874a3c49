from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.errors import FactUnreadable, RecipeError
from amiforge.resources.package_hold import PackageHold
from amiforge.systems import by_name
from amiforge.systems.system import System
from tests.realshell import run
from tests.unit.resources.law import Law
from tests.unit.resources.package_host import PackageHost

AL2023, AMZN2, UBUNTU = (System(by_name(name)) for name in ("al2023", "amzn2", "ubuntu2404"))
INSTALLED = {
    "versionlock": "1-1",
    "yum-plugin-versionlock": "1-1",
    "kernel": "6.1-1",
    "kernel-devel": "6.1-1",
    "nvidia-driver": "3:580.159.03-1",
}

every_manager = pytest.mark.parametrize("system", [AL2023, AMZN2, UBUNTU], ids=lambda system: system.os.packages.name)


@pytest.mark.parametrize(
    ("resource", "system", "expected"),
    [
        (PackageHold(("kernel*", "nvidia*")), AL2023, "dnf versionlock add 'kernel*' 'nvidia*'"),
        (PackageHold(("kernel*",), held=False), AL2023, "dnf versionlock delete 'kernel*'"),
        (PackageHold(("kernel*",)), AMZN2, "yum versionlock add 'kernel*'"),
        (PackageHold(("kernel*",), held=False), AMZN2, "yum -q versionlock delete 'kernel*'"),
        (PackageHold(("linux-aws*",)), UBUNTU, "apt-mark hold 'linux-aws*'"),
        (PackageHold(("linux-aws*",), held=False), UBUNTU, "apt-mark unhold 'linux-aws*'"),
    ],
)
def test_commands(resource: PackageHold, system: System, expected: str) -> None:
    changes = list(resource.changes(frozenset(resource.desired(system)), system))
    assert [str(change.command) for change in changes] == [expected]
    assert changes[0].locks


@pytest.mark.parametrize("pattern", ["--clear", "", "kernel *", "a\nb", "$(reboot)"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(RecipeError):
        PackageHold((pattern,))


def test_a_hold_of_nothing_is_refused() -> None:
    with pytest.raises(RecipeError):
        PackageHold(())


def test_an_incomplete_answer_is_unreadable() -> None:
    query = next(iter(PackageHold(("kernel*",)).queries(AL2023)))
    with pytest.raises(FactUnreadable):
        AL2023.os.packages.read_holds("kernel-0:6.1-1.*\n", [query.item])


@pytest.fixture
def law(tmp_path: Path, system: System) -> Law:
    return Law(PackageHost(tmp_path, installed=INSTALLED), system)


@pytest.mark.shell
@pytest.mark.subprocesses
@every_manager
def test_law(law: Law) -> None:
    law.holds(PackageHold(("kernel*", "nvidia*", "xorg*")), "kernel*", "nvidia*")
    law.host.change(locks=["kernel-0:6.1-1.*", "kernel-devel-0:6.1-1.*"], held=["kernel", "kernel-devel"])
    law.holds(PackageHold(("kernel*", "nvidia*", "xorg*")), "nvidia*")
    law.holds(PackageHold(("kernel*",), held=False), "kernel*")
    law.holds(PackageHold(("nvidia*",)))


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("system", [AL2023, AMZN2], ids=lambda system: system.os.packages.name)
def test_a_lock_of_an_older_version_gives_way_to_the_installed_one(law: Law) -> None:
    law.host.change(locks=["nvidia-driver-3:570.86.15-1.*"])
    law.holds(PackageHold(("nvidia*",)), "nvidia*")
    assert law.host.read()["locks"] == ["nvidia-driver-3:580.159.03-1.*"]


@pytest.mark.shell
@pytest.mark.subprocesses
@every_manager
def test_a_hold_of_what_is_not_installed_yet_is_unknown(law: Law) -> None:
    planned = law.plan(PackageHold(("datacenter-gpu-manager*",)))
    assert planned.unknown == "no package that matches datacenter-gpu-manager* is installed yet"


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("system", [AL2023], ids=["al2023"])
def test_the_plugin_is_installed_when_it_is_missing(law: Law) -> None:
    law.host.install(versionlock="")
    (change,) = law.plan(PackageHold(("kernel*",))).changes
    run(change, prelude=law.host.prelude)
    assert "dnf -y install dnf-command(versionlock)" in law.host.orders
