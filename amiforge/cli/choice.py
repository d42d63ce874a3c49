"""Which recipe a command means, with the options that amiforge.toml and --set change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from amiforge import recipes
from amiforge.cli.config import FILE_NAME, Config, Given, nearest, parse_value
from amiforge.errors import ConfigError
from amiforge.recipes.recipe import Recipe

#: Parts of a recipe that are no tasks, and whose fields are changed like a task's options.
PARTS = ("source", "builder")

Change = tuple[str, str, Given]


def choose(names: Sequence[str], config: Config, changes: Sequence[str]) -> tuple[Recipe, ...]:
    """Give the named recipes, changed as the settings file and `--set` say; `all` is every one.

    With several recipes, a `--set` counts for those that have the task; one of them must.

    Raises:
        ConfigError: a recipe, task or option has an unknown name, or a value is impossible; says where it was given.
    """
    known = recipes.names()
    for name in config.recipes:
        if name not in known:
            raise ConfigError(f"{FILE_NAME}: recipes.{name}: no such recipe", fix=nearest(name, known))
    wanted = list(dict.fromkeys(known if "all" in names else names))
    found = [_with_file(recipes.find(name), config) for name in wanted]
    flags = [parse_set(text) for text in changes]
    for task, option, given in flags:
        if not any(task in _parts(recipe) for recipe in found):
            everything = {part for recipe in found for part in _parts(recipe)}
            raise ConfigError(
                f"{given.origin}: {task}.{option}: {_named(found)} has no task {task!r}", fix=nearest(task, everything)
            )
    return tuple(_with(recipe, [flag for flag in flags if flag[0] in _parts(recipe)]) for recipe in found)


def parse_set(text: str) -> Change:
    """Read `task.option=value`.

    Raises:
        ConfigError: the text has another form.
    """
    path, equals, value = text.partition("=")
    task, dot, option = path.strip().partition(".")
    if not (equals and dot and task and option):
        raise ConfigError(f"--set {text}: not of the form TASK.OPTION=VALUE", example="--set aws_efa.minimal=false")
    return task, option, Given(parse_value(value), f"--set {text}")


def _with_file(recipe: Recipe, config: Config) -> Recipe:
    changes: list[Change] = []
    for task, options in config.recipes.get(recipe.name, {}).items():
        for option, given in options.items():
            if task not in _parts(recipe):
                raise ConfigError(
                    f"{given.origin}: recipe {recipe.name} has no task {task!r}", fix=nearest(task, _parts(recipe))
                )
            changes.append((task, option, given))
    return _with(recipe, changes)


def _with(recipe: Recipe, changes: Sequence[Change]) -> Recipe:
    for task, given in _by_task(changes):
        part = getattr(recipe, task) if task in PARTS else recipe.task(task)
        known = type(part).model_fields
        for option, value in given.items():
            if option not in known:
                raise ConfigError(f"{value.origin}: {task} has no option {option!r}", fix=nearest(option, known))
        try:
            recipe = recipe.with_options(task, **{option: value.value for option, value in given.items()})
        except ConfigError as error:
            raise error.add(given="\n".join(value.origin for value in given.values())) from None
    return recipe


def _by_task(changes: Sequence[Change]) -> Iterator[tuple[str, dict[str, Given]]]:
    """Give each task's changes together: options that only fit each other must be set in one go."""
    for task in dict.fromkeys(task for task, _, _ in changes):
        yield task, {option: given for name, option, given in changes if name == task}


def _parts(recipe: Recipe) -> tuple[str, ...]:
    return (*(task.name() for task in recipe.tasks), *PARTS)


def _named(found: Sequence[Recipe]) -> str:
    return f"recipe {found[0].name}" if len(found) == 1 else "none of the recipes"
