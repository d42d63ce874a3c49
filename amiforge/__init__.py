"""Bake Amazon Machine Images for self-managed ML clusters, in plain Python.

The names below are what other code builds on, together with those of `amiforge.recipes`, `amiforge.resources`,
`amiforge.host`, `amiforge.bake` and `amiforge.verify`. Each is imported when it is first used, so that
`import amiforge` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amiforge.engine.apply import apply, plan
    from amiforge.errors import AmiforgeError
    from amiforge.recipes.outline import outline
    from amiforge.recipes.recipe import Recipe
    from amiforge.tasks.task import Check, Task

__all__ = ["AmiforgeError", "Check", "Recipe", "Task", "apply", "outline", "plan"]

_HOME = MappingProxyType(
    {
        "AmiforgeError": "amiforge.errors",
        "Check": "amiforge.tasks.task",
        "Recipe": "amiforge.recipes.recipe",
        "Task": "amiforge.tasks.task",
        "apply": "amiforge.engine.apply",
        "outline": "amiforge.recipes.outline",
        "plan": "amiforge.engine.apply",
    }
)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'amiforge' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
