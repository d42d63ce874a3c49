"""What every task owes its users."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.errors import RecipeError
from amiforge.recipes.version_sets import VERSION_SETS
from amiforge.resources import KernelModule
from amiforge.systems import by_name
from amiforge.systems.system import System
from amiforge.tasks import Platform, Task
from amiforge.tasks.nvidia_driver import NvidiaDriver
from amiforge.tasks.registry import OURS, find

TASKS = tuple(find(name) for name in OURS)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_and_option_says_what_it_is(task: type[Task]) -> None:
    assert task.__doc__
    assert all(field.description for field in task.model_fields.values())


@pytest.mark.parametrize(
    ("task", "platform"), [(task, platform) for task in TASKS for platform in sorted(task.platforms)], ids=str
)
def test_every_task_can_be_laid_out_and_named_without_a_host(task: type[Task], platform: Platform) -> None:
    name, arch = platform
    system = System(os=by_name(name), arch=arch)
    implied = [pin for versions in VERSION_SETS if name in versions.implied for pin in versions.pins]
    made = task.model_validate({pin.option: pin.value for pin in implied if pin.task == task.name()})
    assert lay_out([made], system)
    assert all(line.title and line.source for line in made.software(system))


@pytest.mark.parametrize("task", TASKS)
def test_unknown_options_are_refused(task: type[Task]) -> None:
    with pytest.raises(ValidationError, match="no_such_option"):
        task.model_validate({"no_such_option": 1})


def test_two_tasks_that_want_different_things_of_one_kernel_module_are_refused() -> None:
    class Gamer(Task):
        """Wants what a driver cannot live with."""

        def resources(self, system: System) -> Iterator[KernelModule]:
            yield KernelModule("nouveau", load_at_boot=True)

    with pytest.raises(RecipeError, match="two resources own kernel module nouveau"):
        lay_out([NvidiaDriver(), Gamer()], System(os=by_name("al2023")))
