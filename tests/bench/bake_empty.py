"""amiforge's side of the comparison with Packer, a process of its own: bakes a recipe without tasks."""

from __future__ import annotations

import sys

from amiforge.bake.loop import bake
from amiforge.ec2.source_image import al2023_image
from amiforge.recipes.recipe import Recipe
from amiforge.settings import AwsSettings, BakeSettings


def main(endpoint: str, region: str, name: str, runs: str, verify: str) -> None:
    """Bake it; `verify` is `verify` for booting the image once more and verifying it, as a bake does by default."""
    recipe = Recipe(
        name="bench_empty", description="the source image, and nothing more", source=al2023_image(), tasks=()
    )
    settings = BakeSettings(image_name=name, runs=runs, verify=verify == "verify")
    made = bake(recipe, AwsSettings(region=region, endpoint_url=endpoint), settings=settings)
    for step in made.steps:
        print(f"{step.seconds:7.2f} s  {step.name}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
