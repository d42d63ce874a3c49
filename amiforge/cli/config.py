"""Settings from four places: flag over environment over amiforge.toml over default."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from amiforge.errors import ConfigError
from amiforge.host.ssh_settings import Ssh
from amiforge.settings import (
    AwsSettings,
    BakeSettings,
    EngineSettings,
    HookSettings,
    PublishSettings,
    ReportSettings,
    RetentionSettings,
    Settings,
)

S = TypeVar("S", bound=Settings)

FILE_NAME = "amiforge.toml"
SECTIONS: tuple[tuple[str, type[Settings]], ...] = (
    ("engine", EngineSettings),
    ("aws", AwsSettings),
    ("bake", BakeSettings),
    ("ssh", Ssh),
    ("publish", PublishSettings),
    ("retention", RetentionSettings),
    ("hooks", HookSettings),
    ("report", ReportSettings),
)
#: What [recipes.NAME] may say beside the tables of its tasks; each is an option of the command line too.
CHOICES = ("os", "arch", "versions", "instances", "allow")
#: Variables that AWS's own tools read too; the first one that is set counts.
AWS_VARIABLES = (
    ("region", ("AWS_REGION", "AWS_DEFAULT_REGION")),
    ("profile", ("AWS_PROFILE",)),
    ("endpoint_url", ("AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL")),
)


@dataclass(frozen=True, slots=True)
class Given:
    """A value somebody gave, and where: a file and path, a variable, a flag."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of one run, and what amiforge.toml says of recipes.

    `recipes` maps recipe, then task (or `source`, `builder`), to options; `asked` maps recipe, then one of `CHOICES`.
    """

    engine: EngineSettings
    aws: AwsSettings
    bake: BakeSettings
    ssh: Ssh
    publish: PublishSettings = field(default_factory=PublishSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    hooks: HookSettings = field(default_factory=HookSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    recipes: Mapping[str, Mapping[str, Mapping[str, Given]]] = field(default_factory=dict)
    asked: Mapping[str, Mapping[str, Given]] = field(default_factory=dict)


def load(
    path: Path | None = None,
    flags: Mapping[str, Mapping[str, Given]] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Lay settings over one another: flags, environment, the settings file, defaults.

    Args:
        path: the settings file; None looks for amiforge.toml in this folder and those above.
        flags: section, then field, to what the command line says.
        environment: variables; None takes the process's.

    Raises:
        ConfigError: a name is unknown or a value impossible; says where it was given.
    """
    path = path or find(Path.cwd())
    document = _read(path) if path else {}
    _refuse_unknown(document, [name for name, _ in SECTIONS] + ["recipes"], str(path))
    variables = os.environ if environment is None else environment

    def section(name: str, model: type[S]) -> S:
        table = _table(document.get(name, {}), f"{path}: {name}")
        file = _from_file(table, f"{path}: {name}")
        return _settings(model, name, [file, from_environment(name, model, variables), (flags or {}).get(name, {})])

    return Config(
        engine=section("engine", EngineSettings),
        aws=section("aws", AwsSettings),
        bake=section("bake", BakeSettings),
        ssh=section("ssh", Ssh),
        publish=section("publish", PublishSettings),
        retention=section("retention", RetentionSettings),
        hooks=section("hooks", HookSettings),
        report=section("report", ReportSettings),
        recipes=_recipes(document.get("recipes", {}), f"{path}: recipes"),
        asked=_asked(document.get("recipes", {}), f"{path}: recipes"),
    )


def aws_flags(region: str | None, profile: str | None) -> dict[str, dict[str, Given]]:
    """Give the flags `--region` and `--profile` as `load` takes them.

    Raises:
        ConfigError: one of them is given and empty, as by `--region "$REGOIN"`.
    """
    flags = {"region": region, "profile": profile}
    for name, value in flags.items():
        if value == "":
            raise ConfigError(f"--{name} is empty", fix=f"name a {name}, or leave --{name} out")
    return {"aws": {name: Given(value, f"--{name} {value}") for name, value in flags.items() if value is not None}}


def find(folder: Path) -> Path | None:
    """Give the settings file in this folder or the nearest one above, if any."""
    return next((path for place in (folder, *folder.parents) if (path := place / FILE_NAME).is_file()), None)


def parse_value(text: str) -> Any:
    """Read a value given in a flag or variable: a quoted text, list or table as TOML writes it, all else as it stands.

    What it stands for is then the option's own affair: `true` becomes a boolean, `12.10` a version.
    """
    try:
        value = tomllib.loads(f"value = {text}").get("value")
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, str | list | dict) else text


def from_environment(name: str, model: type[Settings], variables: Mapping[str, str]) -> dict[str, Given]:
    """Give a section's fields that `AMIFORGE_<SECTION>_<FIELD>` or one of AWS's own variables sets.

    Raises:
        ConfigError: a variable names a field that the section does not have.
    """
    given: dict[str, Given] = {}
    if name == "aws":
        for option, names in AWS_VARIABLES:
            for variable in reversed(names):
                if variables.get(variable):
                    given[option] = Given(variables[variable], variable)
    prefix = f"AMIFORGE_{name.upper()}_"
    for variable, text in variables.items():
        if variable.startswith(prefix):
            option = variable.removeprefix(prefix).lower()
            _refuse_unknown([option], model.model_fields, f"environment variable {variable}", named=False)
            given[option] = Given(parse_value(text), variable)
    return given


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, and list them all."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    return (f"did you mean {close[0]}? " if close else "") + f"known: {', '.join(names)}"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file", fix="name another file with --config, or leave it out") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def _table(value: Any, origin: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{origin} must be a table, and is {value!r}")
    return value


def _from_file(table: Mapping[str, Any], origin: str) -> dict[str, Given]:
    return {option: Given(value, f"{origin}.{option}") for option, value in table.items()}


def _recipes(value: Any, origin: str) -> dict[str, dict[str, dict[str, Given]]]:
    return {
        recipe: {
            task: _from_file(_table(options, f"{origin}.{recipe}.{task}"), f"{origin}.{recipe}.{task}")
            for task, options in _table(tasks, f"{origin}.{recipe}").items()
            if task not in CHOICES
        }
        for recipe, tasks in _table(value, origin).items()
    }


def _asked(value: dict[str, dict[str, Any]], origin: str) -> dict[str, dict[str, Given]]:
    return {
        recipe: {name: Given(table[name], f"{origin}.{recipe}.{name}") for name in CHOICES if name in table}
        for recipe, table in value.items()
    }


def _settings(model: type[S], name: str, layers: Iterable[Mapping[str, Given]]) -> S:
    given: dict[str, Given] = {}
    for layer in layers:
        for option, value in layer.items():
            _refuse_unknown([option], model.model_fields, value.origin, named=False)
            given[option] = value
    try:
        return model.model_validate({option: value.value for option, value in given.items()})
    except ValidationError as error:
        raise ConfigError("; ".join(_problems(error, name, given))) from None


def _problems(error: ValidationError, name: str, given: Mapping[str, Given]) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False):
        option = str(problem["loc"][0]) if problem["loc"] else ""
        origin = given[option].origin if option in given else name
        yield f"{origin}: {problem['msg'].removeprefix('Value error, ')}, and is {problem['input']!r}"


def _refuse_unknown(names: Iterable[str], known: Iterable[str], origin: str, *, named: bool = True) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            place = f"{origin}: {name}" if named else origin
            raise ConfigError(f"{place}: no such setting", fix=nearest(name, known))
