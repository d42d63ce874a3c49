"""Recipes: one file an image. Those of other packages come in by the entry point group `amiforge.recipes`."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import entry_points

from amiforge.errors import ConfigError, RecipeError
from amiforge.recipes.base import base
from amiforge.recipes.dlami_gpu import dlami_gpu
from amiforge.recipes.dlami_neuron import dlami_neuron
from amiforge.recipes.eks_gpu import eks_gpu
from amiforge.recipes.pcluster_cpu import pcluster_cpu
from amiforge.recipes.pcluster_gpu import pcluster_gpu
from amiforge.recipes.pcluster_neuron import pcluster_neuron
from amiforge.recipes.recipe import Recipe
from amiforge.tasks.registry import loaded

__all__ = [
    "Recipe",
    "base",
    "dlami_gpu",
    "dlami_neuron",
    "eks_gpu",
    "find",
    "names",
    "pcluster_cpu",
    "pcluster_gpu",
    "pcluster_neuron",
]

_RECIPES = (pcluster_cpu, pcluster_gpu, pcluster_neuron, base, dlami_gpu, dlami_neuron, eks_gpu)
_OURS = {recipe.name: recipe for recipe in _RECIPES}
_GROUP = "amiforge.recipes"


def names() -> tuple[str, ...]:
    """Give the names of all recipes: ours, then those of other installed packages."""
    others = {entry.name for entry in entry_points(group=_GROUP)}
    return (*_OURS, *sorted(others - _OURS.keys()))


def find(name: str) -> Recipe:
    """Give a recipe by its name.

    Raises:
        ConfigError: there is none of that name; names the nearest.
        RecipeError: another package's entry point holds something else than a recipe.
    """
    if name in _OURS:
        return _OURS[name]
    for entry in entry_points(group=_GROUP, name=name):
        recipe = loaded(entry)
        if isinstance(recipe, Recipe):
            return recipe
        raise RecipeError(f"entry point {entry.value} is no Recipe", fix="point it at a Recipe object")
    near = get_close_matches(name, names(), n=1)
    raise ConfigError(
        f"there is no recipe {name!r}",
        fix=f"did you mean {near[0]}?" if near else "",
        recipes=", ".join(names()),
    )
