"""What every task owes its users, and what those of eks_gpu consist of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.errors import RecipeError
from amiforge.resources import KernelModule
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


def test_known_downloads_carry_their_digests() -> None:
    for task in (AwsCli(), AwsEfa()):
        [install] = [item.resource for item in lay_out([task], AL2023) if item.resource.name.startswith("install")]
        assert len(install.sources[0].sha256) == 64  # type: ignore[attr-defined]


def test_two_tasks_that_want_different_things_of_one_kernel_module_are_refused() -> None:
    class Gamer(Task):
        """Wants what a driver cannot live with."""

        def resources(self, system: System) -> Iterator[KernelModule]:
            yield KernelModule("nouveau", load_at_boot=True)

    with pytest.raises(RecipeError, match="two resources own kernel module nouveau"):
        lay_out([NvidiaDriver(), Gamer()], AL2023)
