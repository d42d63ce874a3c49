"""Whatever an option is set to, it is taken, or refused by an error that names it; what is taken gives an image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from amiforge import recipes
from amiforge.cli.asked import Asked
from amiforge.cli.choice import choose
from amiforge.cli.config import load
from amiforge.engine.plan import lay_out
from amiforge.errors import AmiforgeError, ConfigError, FactUnreadable, RecipeError
from amiforge.recipes.assumed import assumed
from amiforge.recipes.compatibility import violations
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.software import software
from tests.properties.settings_text import PRINTABLE, VALUES, near


def variants() -> Iterator[tuple[str, Recipe]]:
    """Give every recipe on every system that it is for."""
    for recipe in map(recipes.find, recipes.names()):
        for source in recipe.sources:
            yield f"{recipe.name} on {source.os} {source.architecture}", recipe.on(source.os, source.architecture)


def parts(recipe: Recipe) -> dict[str, BaseModel]:
    return {"source": recipe.source, "builder": recipe.builder, **{task.name(): task for task in recipe.tasks}}


VARIANTS = dict(variants())
HAVING: dict[str, list[str]] = {}
for title, each in VARIANTS.items():
    for part in parts(each):
        HAVING.setdefault(part, []).append(title)


CONFIG = load(Path(os.devnull), environment={})


@pytest.mark.parametrize("part", sorted(HAVING))
@given(data=st.data())
def test_an_option_takes_a_value_or_says_that_it_does_not(part: str, data: st.DataObject) -> None:
    recipe = VARIANTS[data.draw(st.sampled_from(HAVING[part]))]
    model = parts(recipe)[part]
    option = data.draw(st.sampled_from(sorted(type(model).model_fields)))
    value = data.draw(st.one_of(near(getattr(model, option)), VALUES))
    try:
        changed = recipe.with_options(part, **{option: value})
    except ConfigError as error:
        refusal = error.message
    else:
        refusal = ""
        with suppress(RecipeError, FactUnreadable, ConfigError):
            lay_out([task for task in changed.tasks if task.name() == part], assumed(changed.source))
        with suppress(RecipeError, ConfigError):
            assert [*violations(changed), *software(changed, "", {})]
    assert part in refusal or not refusal


@given(part=st.sampled_from(sorted(HAVING)), name=PRINTABLE, data=st.data())
def test_set_is_taken_or_refused_with_what_was_given(part: str, name: str, data: st.DataObject) -> None:
    recipe = VARIANTS[data.draw(st.sampled_from(HAVING[part]))]
    option, model = data.draw(st.sampled_from(sorted(type(parts(recipe)[part]).model_fields))), parts(recipe)[part]
    value = data.draw(st.one_of(near(getattr(model, option)).map(str), PRINTABLE))
    path = data.draw(
        st.sampled_from([f"{part}.{option}", f"{part}.{option}", f"{part}.{name}", f"{name}.{option}", name])
    )
    asked = Asked([f"{path}={value}"], os=[recipe.source.os], arch=[recipe.source.architecture])
    try:
        refusal = "" if choose([recipe.name], CONFIG, asked) else "nothing is chosen"
    except AmiforgeError as error:
        assert error.exit_status == 2  # noqa: PT017 - others are taken
        refusal = error.block()
    assert path.partition("=")[0].strip() in refusal or not refusal
