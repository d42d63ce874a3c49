"""Write docs/reference/ from the code. Run by `make docs` and `make check`."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

import amiforge.resources
from amiforge import errors, recipes
from amiforge.cli.app import app
from amiforge.cli.config import AWS_VARIABLES, SECTIONS
from amiforge.recipes.recipe import Recipe

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
    yield "`[recipes.<recipe>.source]` and `[recipes.<recipe>.builder]`.\n"
    for section, model in SECTIONS:
        yield f"## [{section}]\n\n{_doc(model)}\n"
        yield f"Environment: `AMIFORGE_{section.upper()}_<NAME>`."
        if section == "aws":
            yield from (f"`{name}` also from {', '.join(f'`{v}`' for v in names)}." for name, names in AWS_VARIABLES)
        yield ""
        yield from _fields(model)


def recipe_pages() -> Iterator[str]:
    """Every recipe of ours."""
    yield "# Recipes\n"
    for name in recipes.names():
        yield from _recipe(recipes.find(name))


def _recipe(recipe: Recipe) -> Iterator[str]:
    yield f"## {recipe.name}\n\n{recipe.description}.\n"
    tasks = ", ".join(f"[{task.name()}](tasks.md#{task.name()})" for task in recipe.tasks)
    yield f"Tasks, in order: {tasks}.\n\n### Source of {recipe.name}\n"
    yield from _fields(type(recipe.source), recipe.source)
    yield f"### Builder of {recipe.name}\n"
    yield from _fields(type(recipe.builder), recipe.builder)


def tasks() -> Iterator[str]:
    """Every task of our recipes."""
    yield "# Tasks\n\nDefaults are those of the task; a recipe may set others.\n"
    found = {task.name(): type(task) for name in recipes.names() for task in recipes.find(name).tasks}
    for name in sorted(found):
        yield f"## {name}\n\n{_doc(found[name])}\n"
        yield from _fields(found[name])


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
    "resources": resources,
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


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if rows:
        yield "\n".join(_row(row) for row in (head, ("---",) * len(head), *rows)) + "\n"


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
