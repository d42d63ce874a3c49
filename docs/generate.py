"""Write docs/reference/ from the code. Run by `make docs` and `make check`."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

import amiforge.resources
from amiforge import errors, recipes
from amiforge.bake.clean import AREAS
from amiforge.cli.app import app
from amiforge.cli.config import AWS_VARIABLES, CHOICES, SECTIONS
from amiforge.recipes.compatibility import RULES
from amiforge.recipes.compatibility.order import ORDER
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.software import software
from amiforge.recipes.version_sets import VERSION_SETS
from amiforge.tasks import registry
from amiforge.tasks.instance_family import FAMILIES, Family
from amiforge.tasks.platform import described

DOCS = Path(__file__).parent
FOLDER = DOCS / "reference"


def command_line() -> Iterator[str]:
    """Every command with its arguments and options."""
    yield "# Command line\n\nExit statuses are those of [errors](errors.md).\n"
    command = typer.main.get_command(app)
    yield from _command(command, "amiforge")


def _command(command: Any, name: str) -> Iterator[str]:
    subcommands = getattr(command, "commands", {})
    if not subcommands:
        usage = " ".join(part for part in (_usage(parameter) for parameter in command.params) if part)
        yield f"## {name}\n\n{inspect.cleandoc(command.help or '')}\n\n```console\n$ {name} {usage}\n```\n"
        rows = [
            (f"`{', '.join(parameter.opts)}`", getattr(parameter, "help", "") or "") for parameter in command.params
        ]
        yield from _table(("Option or argument", "Meaning"), rows)
    for word, below in subcommands.items():
        yield from _command(below, f"{name} {word}")


def _usage(parameter: Any) -> str:
    text = parameter.metavar or parameter.name.upper()
    if parameter.param_type_name == "argument":
        return text if parameter.required else f"[{text}]"
    if parameter.name == "help":
        return ""
    flag = parameter.opts[0] if parameter.is_flag else f"{parameter.opts[0]} {text}"
    return flag if parameter.required else f"[{flag}]"


def settings() -> Iterator[str]:
    """Every setting with its default."""
    yield "# Settings\n"
    yield (
        "A flag beats an environment variable, which beats `amiforge.toml`, which beats the default. The file is looked"
        " for in the current folder and those above it, or named with `--config`. Unknown names are refused.\n"
    )
    yield "Options of a recipe stand below `[recipes.<recipe>.<task>]`, those of its source and builder below"
    yield "`[recipes.<recipe>.source]` and `[recipes.<recipe>.builder]`. `[recipes.<recipe>]` itself may say"
    yield f"{', '.join(f'`{name}`' for name in CHOICES)}, as the options of the same name do.\n"
    for section, model in SECTIONS:
        yield f"## [{section}]\n\n{_doc(model)}\n"
        yield f"Environment: `AMIFORGE_{section.upper()}_<NAME>`."
        if section == "aws":
            yield from (f"`{name}` also from {', '.join(f'`{v}`' for v in names)}." for name, names in AWS_VARIABLES)
        yield ""
        yield from _fields(model)


def recipe_pages() -> Iterator[str]:
    """Every recipe of ours."""
    yield "# Recipes\n\nWhat stands under *Why* comes from a [version set](version-sets.md) where it names one.\n"
    for name in recipes.names():
        yield from _recipe(recipes.find(name))


def _recipe(recipe: Recipe) -> Iterator[str]:
    yield f"## {recipe.name}\n\n{recipe.description}.\n"
    tasks = ", ".join(f"[{task.name()}](tasks.md#{task.name()})" for task in recipe.tasks)
    yield f"Tasks, in order: {tasks}.\n"
    yield f"Systems: {described(recipe.platforms)}.\n"
    if recipe.instances:
        yield f"Instance families: {', '.join(recipe.instances)}.\n"
    for os in dict.fromkeys(source.os for source in recipe.sources):
        yield from _software(recipe, os)
    yield f"### Source of {recipe.name}\n"
    yield from _fields(type(recipe.source), recipe.source)
    yield f"### Builder of {recipe.name}\n"
    yield from _fields(type(recipe.builder), recipe.builder)


def _software(recipe: Recipe, os: str) -> Iterator[str]:
    arches = [source.architecture for source in recipe.sources if source.os == os]
    there = recipe.on(os, arches[0])
    yield f"### Software of {recipe.name} on {os}\n"
    rows = [(each.title, each.version or "-", each.source, each.why) for each in software(there)]
    yield from _table(("Component", "Version", "Source", "Why"), rows)


def tasks() -> Iterator[str]:
    """Every task."""
    yield "# Tasks\n\nDefaults are those of the task; a recipe may set others.\n"
    for name in registry.names():
        task = registry.find(name)
        yield f"## {name}\n\n{_doc(task)}\n\nSystems: {described(task.platforms)}.\n"
        yield from _fields(task)


def version_sets() -> Iterator[str]:
    """Versions that go together, by name."""
    yield "# Version sets\n\n`--versions NAME` gives a recipe's tasks the versions of a set.\n"
    for each in VERSION_SETS:
        yield f"## {each.name}\n\n{each.description[0].upper()}{each.description[1:]}.\n"
        yield f"Systems: {', '.join(each.systems)}." + (
            f" Taken without being asked for on {', '.join(each.implied)}.\n" if each.implied else "\n"
        )
        if each.instances:
            yield f"Instance families: {', '.join(each.instances)}.\n"
        rows = [(f"`{pin.task}.{pin.option}`", f"`{pin.value}`", pin.why) for pin in each.pins]
        yield from _table(("Option", "Value", "Why"), rows)


def compatibility() -> Iterator[str]:
    """What goes together and what does not."""
    yield "# Compatibility\n\n`plan`, `show`, `apply` and `bake` hold a recipe against these rules. What breaks"
    yield "one is refused with exit status 5, before anything is launched; with `--allow RULE` it is a warning.\n"
    rows = [(f"`{rule.id}`", rule.title, rule.severity, rule.source) for rule in RULES]
    yield from _table(("Rule", "What must hold", "Otherwise", "Source"), rows)
    yield "## Order of tasks\n\nThe rule `order` wants, where a recipe has both:\n"
    yield from _table(("Task", "Comes before", "Because"), [(f"`{a}`", f"`{b}`", why) for a, b, why in ORDER])
    yield "## Instance families\n\nWhat the rules know of families with accelerators.\n"
    yield from _table(
        ("Family", "Device", "Compute", "Processor", "Modules", "Driver", "Needs"), map(_family, FAMILIES)
    )


def _family(family: Family) -> tuple[str, ...]:
    needs = {"fabric manager": family.fabric_manager, "NVLSM": family.nvlsm, "IMEX": family.imex}
    driver = [f"from {family.oldest_driver}"] if family.oldest_driver else []
    driver += [f"up to branch {family.last_branch}"] if family.last_branch else []
    return (
        f"`{family.name}`",
        family.device,
        f"sm_{family.compute}" if family.compute else "-",
        family.arch,
        " or ".join(family.kernel_modules) if family.compute else "-",
        ", ".join(driver) or "-",
        ", ".join(name for name, needed in needs.items() if needed) or "-",
    )


def clean() -> Iterator[str]:
    """What is wiped from a builder before it is imaged."""
    yield "# Clean\n\nAreas in their order. Each is wiped, then looked at again; an image is made only of a builder on"
    yield "which nothing of all this is left. Those marked with * let people in: they go last, and come back if the"
    yield "proof fails. What to do then: [when the clean finds something](../how-to/clean.md).\n"
    rows = [(area.name + " *" * area.closing, area.why, _wiped(area.text)) for area in AREAS]
    yield from _table(("Area", "Why", "What"), rows)


def _wiped(text: str) -> str:
    """Give the paths and units that an area's text names; `~/` stands for every home directory."""
    found: list[str] = []
    for line in text.splitlines():
        verb, _, rest = line.strip().partition(" ")
        words = [word.strip("'").replace('"$R"', "") for word in rest.split()]
        if verb in {"gone", "blank", "stop"}:
            found += words
        elif verb == "homes":
            found += [f"~/{word}" for word in words]
        elif '"$R"' in line:
            found += [word for word in words if word.startswith("/")]
    return ", ".join(f"`{word}`" for word in dict.fromkeys(found)) or "see the reason"


def resources() -> Iterator[str]:
    """Every kind of resource, and what they are described with."""
    yield "# Resources\n\nWhat tasks are made of. Each is the desired state of one thing on a host.\n"
    for info in pkgutil.iter_modules(amiforge.resources.__path__):
        module = import_module(f"amiforge.resources.{info.name}")
        for kind in vars(module).values():
            ours = inspect.isclass(kind) and kind.__module__ == module.__name__
            if ours and kind.__name__ in amiforge.resources.__all__:
                yield f"## {kind.__name__}\n\n::: {module.__name__}.{kind.__name__}\n"


def error_page() -> Iterator[str]:
    """The error tree, and each error's exit status."""
    yield f"# Errors and exit statuses\n\n```text\n{inspect.cleandoc(errors.__doc__ or '')}\n```\n"
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.AmiforgeError)]
    rows = [(f"`{kind.__name__}`", str(kind.exit_status), _doc(kind).partition("\n")[0]) for kind in kinds]
    yield from _table(("Error", "Exit status", "Meaning"), rows)


def python() -> Iterator[str]:
    """The public names."""
    yield "# Python\n\nWhat `from amiforge import …` gives.\n"
    for name in amiforge.__all__:
        thing = getattr(amiforge, name)
        yield f"::: {thing.__module__}.{thing.__qualname__}\n"


def decisions() -> Iterator[str]:
    """The decisions, by number."""
    yield "# Decisions\n\nWhy things are as they are, one page a decision.\n"
    for path in sorted((DOCS / "decisions").glob("*.md")):
        title = path.read_text().partition("\n")[0].removeprefix("# ")
        yield f"- [{title}](../decisions/{path.name})"


def index() -> Iterator[str]:
    """What stands where."""
    yield "# Reference\n\nGenerated from the code.\n"
    for name, page in PAGES.items():
        if page is not index:
            yield f"- [{name.replace('-', ' ')}]({name}.md): {inspect.cleandoc(page.__doc__ or '')}"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "index": index,
    "command-line": command_line,
    "recipes": recipe_pages,
    "tasks": tasks,
    "version-sets": version_sets,
    "compatibility": compatibility,
    "resources": resources,
    "clean": clean,
    "settings": settings,
    "errors": error_page,
    "python": python,
    "decisions": decisions,
}


def _doc(thing: Any) -> str:
    return inspect.cleandoc(thing.__doc__ or "")


def _fields(model: type[BaseModel], value: BaseModel | None = None) -> Iterator[str]:
    rows = []
    for name, field in model.model_fields.items():
        shown = getattr(value, name) if value else field.get_default(call_default_factory=True, validated_data={})
        rows.append((f"`{name}`", f"`{shown!r}`", field.description or ""))
    yield from _table(("Name", "Value" if value else "Default", "Meaning"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    lines = [_row(row) for row in rows]
    if lines:
        yield "\n".join((_row(head), _row(("---",) * len(head)), *lines)) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def main() -> None:
    """Write every page anew."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.md"):
        if old.stem not in PAGES:
            old.unlink()
    for name, page in PAGES.items():
        (FOLDER / f"{name}.md").write_text("\n".join(page()).rstrip() + "\n")


if __name__ == "__main__":
    main()
