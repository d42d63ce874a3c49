"""What a recipe consists of, without a host."""

from __future__ import annotations

from amiforge.ec2.source_image import SourceImage
from amiforge.engine import apply
from amiforge.engine.plan import Plan
from amiforge.recipes.recipe import Recipe
from amiforge.systems import by_name
from amiforge.systems.system import Arch, System


def outline(recipe: Recipe) -> Plan:
    """Give every resource of a recipe, as of a fresh instance of its source image; needs no AWS, root or network.

    Raises:
        ConfigError: the source's operating system is none of ours.
        RecipeError: two resources contradict each other.
    """
    return apply.outline(recipe.tasks, assumed(recipe.source))


def assumed(source: SourceImage) -> System:
    """Give the system that an instance of a source image will be, as far as its description tells.

    Raises:
        ConfigError: the source's operating system is none of ours.
    """
    arch: Arch = "aarch64" if source.architecture == "arm64" else "x86_64"
    return System(os=by_name(source.os), arch=arch, user=source.user)
