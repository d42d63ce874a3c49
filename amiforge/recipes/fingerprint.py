"""The fingerprint of everything that decides what is on an image: two bakes with the same one make the same image.

Packages of which no version is given are what the system's repositories hold on the day: how old an image may be is
asked beside this (`bake.max_age_days`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic import BaseModel

from amiforge.recipes.recipe import Recipe
from amiforge.recipes.source_code import shared_code, task_code
from amiforge.recipes.supply import downloads
from amiforge.systems.trust import Trust

#: What a source image's description decides besides which image it is, and what of a builder ends up on the image:
#: its root volume. Where and on what type it was built does not.
_SOURCE = ("os", "architecture", "user", "slurm")
_BUILDER = ("volume_gib", "volume_iops", "volume_throughput", "kms_key")


def fingerprint(recipe: Recipe, source_ami: str, trust: Trust, mirror: str = "") -> str:
    """Give the fingerprint of a recipe's image: 16 hex digits, the same on every machine and in every checkout.

    Of a secret it counts that it is given, not what it is (docs/decisions/021). Empty where the code of a task lies in
    no file: what such a recipe makes is known only by baking it.

    Args:
        recipe: with every option as it is wanted.
        source_ami: id of the image that it starts from.
        trust: what amiforge.lock says; entries that the recipe does not use do not count.
        mirror: where downloads come from; repositories on the image name it.

    Raises:
        ConfigError: the source's operating system is none of ours.
        RecipeError: two resources contradict each other.
    """
    code = {task.name(): task_code(type(task)) for task in recipe.tasks}
    if not all(code.values()):
        return ""
    parts = {
        "source": {"ami": source_ami, **{name: getattr(recipe.source, name) for name in _SOURCE}},
        "builder": {name: getattr(recipe.builder, name) for name in _BUILDER},
        "tasks": [[task.name(), _fields(task), code[task.name()]] for task in recipe.tasks],
        "shared": shared_code(),
        "proofs": sorted((each.url, each.proof(trust)) for each in downloads(recipe)),
        "mirror": mirror,
    }
    text = json.dumps(parts, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _fields(model: BaseModel) -> dict[str, Any]:
    return {name: getattr(model, name) for name in type(model).model_fields}


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return _fields(value)
    if isinstance(value, AbstractSet):
        return sorted(map(str, value))
    return str(value)
