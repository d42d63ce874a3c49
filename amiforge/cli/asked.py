"""What a command line says about the recipes it names, and how that is written down for another one to come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from amiforge.cli.config import Given, parse_value
from amiforge.errors import ConfigError
from amiforge.recipes.recipe import Recipe
from amiforge.redaction import secrets_in

#: Parts of a recipe that are no tasks, and whose fields are changed like a task's options.
PARTS = ("source", "builder")

Change = tuple[str, str, Given]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command line says about the recipes it names; lists may be given as one text with commas."""

    changes: Sequence[str] = ()
    os: Sequence[str] = ()
    arch: Sequence[str] = ()
    versions: str = ""
    instances: Sequence[str] = ()
    allow: Sequence[str] = ()

    def record(self, recipe: Recipe, config: Path | None, *, sandbox: bool) -> dict[str, Any]:
        """Give how one of the recipes was asked for, as JSON, for whoever asks for the same one later.

        Secrets are left out: `withheld` names the options that must be given again.
        """
        withheld = [_name(text) for text in self.changes if _is_secret(recipe, text)]
        return {
            "changes": [text for text in self.changes if _name(text) not in withheld],
            "withheld": withheld,
            "os": [recipe.source.os],
            "arch": [recipe.source.architecture],
            "versions": self.versions,
            "instances": [*self.instances],
            "allow": [*self.allow],
            "config": str(config.absolute()) if config else "",
            "sandbox": sandbox,
        }

    @classmethod
    def recorded(cls, asked: Mapping[str, Any], again: Sequence[str]) -> Self:
        """Give what was recorded, with options that were withheld or are changed given again.

        Raises:
            ConfigError: a withheld option is not given again.
        """
        given = {_name(text) for text in again}
        if missing := [name for name in asked.get("withheld", ()) if name not in given]:
            raise ConfigError(
                f"the run was begun with secrets, which are written down nowhere: {', '.join(missing)}",
                fix=" ".join(f"--set {name}=…" for name in missing),
            )
        return cls(
            changes=(*asked.get("changes", ()), *again),
            os=asked.get("os", ()),
            arch=asked.get("arch", ()),
            versions=asked.get("versions", ""),
            instances=asked.get("instances", ()),
            allow=asked.get("allow", ()),
        )

    def words(self) -> Iterator[str]:
        """Give the options that say the same."""
        for flag, values in {
            "--set": self.changes,
            "--os": self.os,
            "--arch": self.arch,
            "--versions": [self.versions] if self.versions else [],
            "--instances": self.instances,
            "--allow": self.allow,
        }.items():
            for value in values:
                yield from (flag, value)


def parse_set(text: str) -> Change:
    """Read `task.option=value`. No message says the value, which may be a secret.

    Raises:
        ConfigError: the text has another form.
    """
    path, equals, value = text.partition("=")
    task, dot, option = path.strip().partition(".")
    if not (equals and dot and task and option):
        raise ConfigError(
            f"--set {path.strip()}{equals and '=…'}: not of the form TASK.OPTION=VALUE",
            example="--set aws_efa.minimal=false",
        )
    return task, option, Given(parse_value(value), f"--set {path.strip()}")


def _name(text: str) -> str:
    return text.partition("=")[0].strip()


def _is_secret(recipe: Recipe, text: str) -> bool:
    task, option, _ = parse_set(text)
    parts: Mapping[str, object] = {"source": recipe.source, "builder": recipe.builder}
    part = {**parts, **{each.name(): each for each in recipe.tasks}}.get(task)
    return any(True for _ in secrets_in(getattr(part, option, None)))
