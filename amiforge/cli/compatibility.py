"""What compatibility rules say of a recipe, told to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from amiforge.recipes.recipe import Recipe
    from amiforge.systems.system import System


def admit(recipe: Recipe, system: System | None = None) -> None:
    """Warn on standard error of what goes together badly on a system, None for the source image's.

    Raises:
        CompatibilityError: something does not go together at all.
    """
    from amiforge.recipes.compatibility import require

    for each in require(recipe, system):
        typer.echo(f"! {recipe.name} on {recipe.source.os}: {each.rule}: {each.message}; {each.fix}", err=True)
