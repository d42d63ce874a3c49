"""What a recipe brings in from outside, and whether all of it is known for what it is."""

from __future__ import annotations

from amiforge.engine.download import Download
from amiforge.errors import RecipeError
from amiforge.recipes.outline import outline
from amiforge.recipes.recipe import Recipe
from amiforge.systems.trust import Trust


def downloads(recipe: Recipe) -> tuple[Download, ...]:
    """Give everything that a recipe's resources fetch, each once, in the order of the tasks.

    Raises:
        ConfigError: the source's operating system is none of ours.
        RecipeError: two resources contradict each other.
    """
    plan = outline(recipe)
    found = (each for planned in plan.items for each in planned.item.resource.downloads(plan.system))
    return tuple(dict.fromkeys(found))


def refuse_unproven(recipe: Recipe, trust: Trust) -> None:
    """Refuse a recipe with a download whose content, or a key whose owner, would be taken on first use.

    Raises:
        RecipeError: there is one; names them all.
    """
    unproven = [download for download in downloads(recipe) if not download.proven(trust)]
    if unproven:
        raise RecipeError(
            f"{recipe.name} takes {len(unproven)} downloads of which nothing is known",
            downloads="\n".join(f"{download.kind} {download.url}" for download in unproven),
            fix=f"`amiforge lock {recipe.name}` records files and keys; of a checkout give a full commit as ref; "
            "of an index nothing can be recorded: leave its task out, or turn engine.require_digests off",
        )
