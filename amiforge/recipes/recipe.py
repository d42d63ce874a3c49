"""What a recipe is: an image, described."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, model_validator

from amiforge.ec2.builder import Builder
from amiforge.ec2.source_image import SourceImage
from amiforge.errors import ConfigError, RecipeError
from amiforge.recipes import version_sets
from amiforge.recipes.assumed import assumed
from amiforge.recipes.version_sets import Pin, VersionSet
from amiforge.tasks.instance_family import of_arch
from amiforge.tasks.platform import EVERYWHERE, Platform, platform
from amiforge.tasks.task import Task

Model = TypeVar("Model", bound=BaseModel)
Tasks = tuple[Task, ...]


class Variant(BaseModel):
    """The same image on another operating system or architecture, as far as it differs.

    What is left out is as in the recipe itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    source: SourceImage = Field(description="the image the bake starts from there")
    builder: Builder | None = Field(None, description="the instance that builds it there")
    tasks: tuple[SerializeAsAny[Task], ...] | None = Field(None, description="software components there")
    instances: tuple[str, ...] | None = Field(None, description="instance families it is for there")


class Recipe(BaseModel):
    """An image: where it starts, what builds it, and its tasks in order. A value: every change gives a new recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="name on the command line and in image names")
    description: str = Field(description="one line: what the image is for")
    source: SourceImage = Field(description="the image the bake starts from")
    builder: Builder = Field(default_factory=Builder, description="the instance that builds the image")
    tasks: tuple[SerializeAsAny[Task], ...] = Field(description="software components, in install order")
    variants: tuple[Variant, ...] = Field((), description="the same image on other systems")
    instances: tuple[str, ...] = Field(
        (), description="instance families the image is for, as p5 or g6e; compatibility is checked for these"
    )
    allow: tuple[str, ...] = Field((), description="compatibility rules that may be broken, by their ids")

    @model_validator(mode="after")
    def _tasks_are_distinct(self) -> Self:
        names = [task.name() for task in self.tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"recipe {self.name} has task {', '.join(twice)} more than once")
        return self

    @property
    def sources(self) -> tuple[SourceImage, ...]:
        """Every source image it can start from, its own first."""
        return (self.source, *(variant.source for variant in self.variants if variant.source != self.source))

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """Where it exists: the platforms of its source images, its own first."""
        return tuple(platform(assumed(source)) for source in self.sources)

    def on(self, os: str = "", architecture: str = "") -> Recipe:
        """Give the recipe for another operating system or architecture; an empty one stays as it is.

        Where an operating system implies a version set, that holds for what the recipe leaves at its default.

        Raises:
            RecipeError: it does not exist there; names where it does.
        """
        wanted = (os or self.source.os, architecture or self.source.architecture)
        if wanted == (self.source.os, self.source.architecture):
            return self
        for variant in self.variants:
            if wanted == (variant.source.os, variant.source.architecture):
                changed = [field for field in ("builder", "tasks", "instances") if getattr(variant, field) is not None]
                return _settled(self._with(**{name: getattr(variant, name) for name in ("source", *changed)}))
        known = ", ".join(f"{source.os} {source.architecture}" for source in self.sources)
        raise RecipeError(f"recipe {self.name} does not exist for {' '.join(wanted)}", fix=f"there are: {known}")

    def with_versions(self, name: str) -> Recipe:
        """Give the recipe with the versions of a set, as far as it has their tasks: `with_versions("gpu-current")`.

        Raises:
            ConfigError: there is no such set.
            RecipeError: the set is made for other operating systems.
        """
        found = version_sets.find(name)
        if self.source.os not in found.systems:
            raise RecipeError(
                f"version set {name} is made for {', '.join(found.systems)}, and this is {self.name} on"
                f" {self.source.os}",
                fix=f"leave --versions out, or give --os {found.systems[0]}",
            )
        return _narrowed(_pinned(self, found.pins), found)

    def task(self, name: str) -> Task:
        """Give a task by its name.

        Raises:
            RecipeError: the recipe has no such task.
        """
        for task in self.tasks:
            if task.name() == name:
                return task
        raise RecipeError(f"recipe {self.name} has no task {name!r}", tasks=", ".join(t.name() for t in self.tasks))

    def with_task(self, task: Task, *, after: str = "", before: str = "") -> Recipe:
        """Give the recipe with a task added, in its variants too: at the end, or right after or before a named one.

        Raises:
            RecipeError: the recipe has no task of that name.
        """
        named = after or before
        if named:
            self.task(named)

        def change(tasks: Tasks) -> Tasks:
            names = [each.name() for each in tasks]
            index = names.index(named) + (1 if after else 0) if named in names else len(tasks)
            return (*tasks[:index], task, *tasks[index:])

        return self._everywhere(change, task.platforms)

    def without_task(self, name: str) -> Recipe:
        """Give the recipe without a task, in its variants too.

        Raises:
            RecipeError: the recipe has no such task.
        """
        self.task(name)
        return self._everywhere(lambda tasks: tuple(task for task in tasks if task.name() != name))

    def with_options(self, name: str, /, **options: Any) -> Recipe:
        """Give the recipe with options of one task changed: `eks_gpu.with_options("aws_efa", minimal=False)`.

        Its variants change likewise. `source` and `builder` are changed in the same way, but not those of variants.

        Raises:
            RecipeError: the recipe has no task of that name.
            ConfigError: an option has an unknown name or an impossible value; names the field and says why.
        """
        if name in {"source", "builder"}:
            part: SourceImage | Builder = getattr(self, name)
            return self._with(**{name: _changed(part, options, name)})
        self.task(name)
        return self._everywhere(
            lambda tasks: tuple(_changed(task, options, name) if task.name() == name else task for task in tasks)
        )

    def _everywhere(self, change: Callable[[Tasks], Tasks], where: Container[Platform] = EVERYWHERE) -> Recipe:
        """Give the recipe with its tasks changed, and those of its variants on the platforms where that can be."""
        variants = tuple(
            variant.model_copy(update={"tasks": change(variant.tasks)})
            if variant.tasks is not None and platform(assumed(variant.source)) in where
            else variant
            for variant in self.variants
        )
        return self._with(tasks=change(self.tasks), variants=variants)

    def _with(self, **fields: Any) -> Recipe:
        try:
            return Recipe(**{name: fields.get(name, getattr(self, name)) for name in Recipe.model_fields})
        except ValidationError as error:
            raise RecipeError(explain(error, self.name)) from None


def _settled(recipe: Recipe) -> Recipe:
    """Leave out instances of another architecture, and take the versions that the operating system implies."""
    recipe = recipe.model_copy(update={"instances": of_arch(recipe.instances, assumed(recipe.source).arch)})
    found = version_sets.implied(recipe.source.os)
    if not found:
        return recipe
    return _narrowed(_pinned(recipe, [pin for pin in found.pins if _at_default(recipe, pin)]), found)


def _narrowed(recipe: Recipe, to: VersionSet) -> Recipe:
    """Leave out instances that a version set is not for; where it is for others alone, those take their place."""
    if not (recipe.instances and to.instances):
        return recipe
    kept = tuple(name for name in recipe.instances if name.partition(".")[0] in to.instances)
    return recipe.model_copy(update={"instances": kept or to.instances})


def _at_default(recipe: Recipe, pin: Pin) -> bool:
    tasks = [task for task in recipe.tasks if task.name() == pin.task]
    return all(getattr(task, pin.option) == type(task).model_fields[pin.option].default for task in tasks)


def _pinned(recipe: Recipe, pins: Iterable[Pin]) -> Recipe:
    for task in recipe.tasks:
        options = {pin.option: pin.value for pin in pins if pin.task == task.name()}
        recipe = recipe.with_options(task.name(), **options) if options else recipe
    return recipe


def explain(error: ValidationError, prefix: str) -> str:
    """Say in one line a problem which fields are wrong and why, each with its path below `prefix`."""
    problems = (
        f"{'.'.join((prefix, *map(str, problem['loc'])))}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False, include_context=False)
    )
    return "; ".join(problems)


def _changed(model: Model, options: dict[str, Any], name: str) -> Model:
    known = type(model).model_fields
    for option in options:
        if option not in known:
            raise ConfigError(f"{name}.{option}: no such option", options=", ".join(known))
    try:
        return type(model).model_validate({**{field: getattr(model, field) for field in known}, **options})
    except RecipeError as error:
        raise ConfigError(f"{name}.{', '.join(options)}: {error.message}", **error.lines) from None
    except ValidationError as error:
        fields = [field for problem in error.errors() if (field := str(problem["loc"][0])) in known]
        raise ConfigError(explain(error, name), default=", ".join(_default(model, field) for field in fields)) from None


def _default(model: BaseModel, field: str) -> str:
    return f"{field}={type(model).model_fields[field].default!r}"
