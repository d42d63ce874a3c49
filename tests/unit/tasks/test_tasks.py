"""What every task owes its users, and what those of eks_gpu consist of."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

import amiforge
from amiforge.engine.plan import lay_out
from amiforge.errors import RecipeError
from amiforge.resources import KernelModule
from amiforge.resources import Packages as PackageSet
from amiforge.systems import SYSTEMS, by_name
from amiforge.systems.system import System
from amiforge.tasks import Task
from amiforge.tasks.aws_cli import AwsCli
from amiforge.tasks.aws_efa import AwsEfa
from amiforge.tasks.aws_lustre import AwsLustre
from amiforge.tasks.nvidia_driver import NvidiaDriver
from amiforge.tasks.packages import Packages

KERNEL = "6.12.110-135.202.amzn2023.x86_64"
AL2023 = System(os=by_name("al2023"), kernel=KERNEL, default_kernel=KERNEL)
TASKS: tuple[type[Task], ...] = (AwsCli, AwsEfa, AwsLustre, NvidiaDriver, Packages)


def names(task: Task, system: System = AL2023) -> list[str]:
    return [item.resource.name for item in lay_out([task], system)]


@pytest.mark.parametrize("task", TASKS)
def test_every_task_and_option_says_what_it_is(task: type[Task]) -> None:
    assert task.__doc__
    assert all(field.description for field in task.model_fields.values())


@pytest.mark.parametrize("task", TASKS)
def test_every_task_can_be_laid_out_without_a_host(task: type[Task]) -> None:
    assert lay_out([task()], System(os=by_name("al2023")))


@pytest.mark.parametrize("task", TASKS)
def test_unknown_options_are_refused(task: type[Task]) -> None:
    with pytest.raises(ValidationError, match="no_such_option"):
        task.model_validate({"no_such_option": 1})


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_packages_are_the_same_task_on_every_system(system: object) -> None:
    there = System(os=system)  # type: ignore[arg-type]
    assert names(Packages(), there)[:3] == [
        "security updates",
        "packages jq, git, htop, pciutils, unzip",
        "reboot if needed",
    ]


def test_the_kernel_is_updated_booted_completed_and_only_then_held() -> None:
    build = "packages kernel6.12-devel, kernel6.12-headers"
    assert names(Packages(install=())) == ["security updates", "reboot if needed", build, "hold of kernel*"]


def test_nothing_of_packages_is_left_when_all_is_switched_off() -> None:
    off = Packages(update="none", install=(), hold_kernel=False, kernel_headers=False, allow_reboot=False)
    assert names(off) == []


def test_driver_and_fabric_manager_have_one_version_in_one_transaction() -> None:
    [driver] = [
        item.resource
        for item in lay_out([NvidiaDriver(version="595.91.07")], AL2023)
        if isinstance(item.resource, PackageSet) and "nvidia-fabricmanager" in item.resource.name
    ]
    assert set(driver.desired(AL2023).values()) == {"595.91.07"}


def test_nouveau_is_dealt_with_before_the_driver_is_built() -> None:
    assert names(NvidiaDriver())[:2] == ["kernel module nouveau", "reboot if needed"]


def test_the_run_installer_brings_no_package_and_no_service() -> None:
    assert names(NvidiaDriver(method="run"))[-1] == "install NVIDIA driver"
    assert not any("service" in name for name in names(NvidiaDriver(method="run")))


@pytest.mark.parametrize("version", ["580", "latest", "580.159.03; rm -rf /", ""])
def test_a_driver_version_is_an_exact_one(version: str) -> None:
    with pytest.raises(ValidationError):
        NvidiaDriver(version=version)


def test_known_downloads_carry_their_digests() -> None:
    for task in (AwsCli(), AwsEfa()):
        [install] = [item.resource for item in lay_out([task], AL2023) if item.resource.name.startswith("install")]
        assert len(install.sources[0].sha256) == 64  # type: ignore[attr-defined]


@pytest.mark.shell
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["10de:0302"], True),
        (["10de:0680"], False),
        (["15b3:0207"], True),
        (["15b3:0207", "2"], True),
        (["15b3:0207", "3"], False),
    ],
)
def test_has_pci_counts_functions_of_one_vendor_and_class(tmp_path: Path, wanted: list[str], found: bool) -> None:
    for number, (vendor, kind) in enumerate(
        [("10de", "030200"), ("15b3", "020700"), ("15b3", "020700"), ("1d0f", "020000")]
    ):
        device = tmp_path / f"0000:00:{number:02d}.0"
        device.mkdir()
        (device / "vendor").write_text(f"0x{vendor}\n")
        (device / "class").write_text(f"0x{kind}\n")
    text = (Path(amiforge.__file__).parent / "files/nvidia_driver/has-pci").read_text()
    script = text.replace("/sys/bus/pci/devices", str(tmp_path))
    done = subprocess.run(["sh", "-c", script, "has-pci", *wanted], check=False)
    assert (done.returncode == 0) is found


def test_two_tasks_that_want_different_things_of_one_kernel_module_are_refused() -> None:
    class Gamer(Task):
        """Wants what a driver cannot live with."""

        def resources(self, system: System) -> Iterator[KernelModule]:
            yield KernelModule("nouveau", load_at_boot=True)

    with pytest.raises(RecipeError, match="two resources own kernel module nouveau"):
        lay_out([NvidiaDriver(), Gamer()], AL2023)
