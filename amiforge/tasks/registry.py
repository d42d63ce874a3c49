"""All tasks by name: ours, and those of other packages, which come in by the entry point group `amiforge.tasks`."""

from __future__ import annotations

import traceback
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TypeGuard

from amiforge.errors import ConfigError, RecipeError
from amiforge.tasks.task import Task

#: Ours, in install order; each is a module of its own, named like the task.
OURS = (
    "base",
    "packages",
    "aws_cli",
    "nvidia_driver",
    "nvidia_cuda",
    "nvidia_gdrcopy",
    "nvidia_dcgm",
    "neuron_driver",
    "docker",
    "nvidia_container_toolkit",
    "aws_efa",
    "nvidia_nccl",
    "aws_ofi_nccl",
    "aws_lustre",
    "nvidia_enroot_pyxis",
    "pytorch_neuron",
)
_GROUP = "amiforge.tasks"


def names() -> tuple[str, ...]:
    """Give the names of all tasks: ours in install order, then those of other installed packages."""
    others = {entry.name for entry in entry_points(group=_GROUP)}
    return (*OURS, *sorted(others - set(OURS)))


def find(name: str) -> type[Task]:
    """Give a task's class by its name.

    Raises:
        ConfigError: there is none of that name; names the nearest.
        RecipeError: another package's entry point holds something else than a task of that name.
    """
    if name in OURS:
        members = vars(import_module(f"amiforge.tasks.{name}")).values()
        return next(kind for kind in members if _is_task(kind) and kind.name() == name)
    for entry in entry_points(group=_GROUP, name=name):
        kind = loaded(entry)
        if _is_task(kind) and kind.name() == name:
            return kind
        raise RecipeError(f"entry point {entry.value} is no task {name!r}", fix="point it at a subclass of Task")
    near = get_close_matches(name, names(), n=1)
    raise ConfigError(
        f"there is no task {name!r}", fix=f"did you mean {near[0]}?" if near else "", tasks=", ".join(names())
    )


def loaded(entry: EntryPoint) -> object:
    """Give what another package's entry point names.

    Raises:
        RecipeError: it cannot be imported; says where it breaks.
    """
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        raise RecipeError(
            f"entry point {entry.name} = {entry.value} cannot be loaded: {type(error).__name__}: {error}",
            at=f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "",
            fix="mend the module, or uninstall the package that brings it",
        ) from error


def _is_task(kind: object) -> TypeGuard[type[Task]]:
    return isinstance(kind, type) and issubclass(kind, Task) and kind is not Task
