"""Which recipes a command means, as amiforge.toml and the command line change them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from amiforge import recipes
from amiforge.cli.asked import PARTS, Asked, Change, parse_set
from amiforge.cli.config import FILE_NAME, Config, Given, nearest
from amiforge.errors import AmiforgeError, ConfigError, RecipeError
from amiforge.recipes import version_sets
from amiforge.recipes.recipe import Recipe

ALL = "all"
#: EC2's words for what others call differently.
_ARCH = MappingProxyType({"aarch64": "arm64", "amd64": "x86_64"})


@dataclass(frozen=True, slots=True)
class Chosen:
    """A recipe as it is wanted.

    Attributes:
        versions: the version set that was asked for, or that its operating system implies; empty for none.
        given: where options were given that differ from the recipe's own, by task and option.
    """

    recipe: Recipe
    versions: str = ""
    given: Mapping[tuple[str, str], str] = field(default_factory=dict)


def choose(names: Sequence[str], config: Config, asked: Asked) -> tuple[Chosen, ...]:
    """Give the named recipes for the systems asked for, changed as settings file and command line say.

    `all` is every recipe that exists on such a system. With several, a `--set` counts for those that have the task;
    one of them must.

    Raises:
        ConfigError: a recipe, task or option has an unknown name, or a value is impossible; says where it was given.
        RecipeError: a recipe does not exist for a system, or a version set is made for others.
    """
    known = recipes.names()
    for name in (*config.recipes, *config.asked):
        if name not in known:
            raise ConfigError(f"{FILE_NAME}: recipes.{name}: no such recipe", fix=nearest(name, known))
    flags = [parse_set(text) for text in asked.changes]
    wanted = list(dict.fromkeys(known if ALL in names else names))
    found = [
        variant
        for name in wanted
        for variant in _variants(recipes.find(name), config.asked.get(name, {}), asked, skip=ALL in names)
    ]
    if not found:
        raise RecipeError(f"no recipe exists for {', '.join((*asked.os, *asked.arch))}", fix="see `amiforge list`")
    _refuse_unknown_tasks(flags, found)
    return tuple(_changed(recipe, config, flags, asked) for recipe in found)


def choose_one(name: str, config: Config, asked: Asked) -> Chosen:
    """Give the named recipe for one system, likewise.

    Raises:
        ConfigError: as above; or more than one recipe or system is asked for.
        RecipeError: as above.
    """
    found = choose([name], config, asked)
    if len(found) > 1:
        what = ", ".join(f"{each.recipe.name} on {each.recipe.source.os}" for each in found)
        raise ConfigError(f"one recipe on one system is wanted, and these are {len(found)}: {what}")
    return found[0]


def _variants(recipe: Recipe, file: Mapping[str, Given], asked: Asked, *, skip: bool) -> Iterator[Recipe]:
    """Give the recipe on each system asked for; with `skip`, or where `all` is asked for, only where it exists."""
    systems = _listed("os", asked.os, file) or [recipe.source.os]
    arches = [_ARCH.get(arch, arch) for arch in _listed("arch", asked.arch, file)] or [recipe.source.architecture]
    there = [(source.os, source.architecture) for source in recipe.sources]
    skip = skip or ALL in systems or ALL in arches
    for os in dict.fromkeys(os for os, _ in there) if ALL in systems else systems:
        for arch in dict.fromkeys(arch for _, arch in there) if ALL in arches else arches:
            if (os, arch) in there or not skip:
                yield recipe.on(os, arch)


def _changed(recipe: Recipe, config: Config, flags: Sequence[Change], asked: Asked) -> Chosen:
    file = config.asked.get(recipe.name, {})
    implied = version_sets.implied(recipe.source.os)
    versions = asked.versions or _text("versions", file)
    if versions:
        recipe = _with_versions(recipe, versions, "" if asked.versions else file["versions"].origin)
    instances = tuple(_listed("instances", asked.instances, file)) or recipe.instances
    allow = (*recipe.allow, *_listed("allow", (), file), *_listed("allow", asked.allow, {}))
    recipe = recipe.model_copy(update={"instances": instances, "allow": allow})
    changes = [*_from_file(recipe, config), *(flag for flag in flags if flag[0] in _parts(recipe))]
    given = {(task, option): value.origin for task, option, value in changes}
    return Chosen(_with(recipe, changes), versions or (implied.name if implied else ""), given)


def _with_versions(recipe: Recipe, name: str, origin: str) -> Recipe:
    try:
        return recipe.with_versions(name)
    except AmiforgeError as error:
        raise error.add(given=origin) from None


def _listed(name: str, given: Sequence[str], file: Mapping[str, Given]) -> list[str]:
    """Give a list from the command line, else from the settings file; a text is one of a single entry or with commas.

    Raises:
        ConfigError: what the file has is neither text nor a list of texts.
    """
    value = file[name].value if name in file and not given else list(given)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"{file[name].origin} must be text or a list of texts, and is {value!r}")
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _text(name: str, file: Mapping[str, Given]) -> str:
    value = file[name].value if name in file else ""
    if not isinstance(value, str):
        raise ConfigError(f"{file[name].origin} must be text, and is {value!r}")
    return value


def _refuse_unknown_tasks(flags: Sequence[Change], found: Sequence[Recipe]) -> None:
    everything = {part for recipe in found for part in _parts(recipe)}
    for task, option, given in flags:
        if task not in everything:
            raise ConfigError(
                f"{given.origin}: {task}.{option}: {_named(found)} has no task {task!r}", fix=nearest(task, everything)
            )


def _from_file(recipe: Recipe, config: Config) -> Iterator[Change]:
    """Give what the settings file says of a recipe; tasks that it has on other systems only are passed over.

    Raises:
        ConfigError: it has the task on none.
    """
    whole = recipes.find(recipe.name)
    everywhere = {*_parts(whole), *(task.name() for variant in whole.variants for task in variant.tasks or ())}
    for task, options in config.recipes.get(recipe.name, {}).items():
        for option, given in options.items():
            if task not in everywhere:
                raise ConfigError(
                    f"{given.origin}: recipe {recipe.name} has no task {task!r}", fix=nearest(task, everywhere)
                )
            if task in _parts(recipe):
                yield task, option, given


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
