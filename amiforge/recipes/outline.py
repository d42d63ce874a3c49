"""What a recipe consists of, without a host."""

from __future__ import annotations

from amiforge.engine import apply
from amiforge.engine.plan import Plan
from amiforge.recipes.assumed import assumed
from amiforge.recipes.recipe import Recipe


def outline(recipe: Recipe) -> Plan:
    """Give every resource of a recipe, as of a fresh instance of its source image; needs no AWS, root or network.

    Raises:
        ConfigError: the source's operating system is none of ours.
        RecipeError: two resources contradict each other.
    """
    return apply.outline(recipe.tasks, assumed(recipe.source))
