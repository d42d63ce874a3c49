"""Which versions are on an image: of the components, of the system, and of every package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from amiforge.bake.report.record import Record

#: Parts of the recipe that are no component.
_NO_COMPONENT = frozenset({"source", "builder"})


@dataclass(frozen=True, slots=True)
class Component:
    """A piece of software that a task puts on the image; `source` is where it comes from, as far as that is known."""

    task: str
    title: str
    version: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Versions:
    """Everything with a version, and the options of every task. Of several versions of one package all are named."""

    components: tuple[Component, ...]
    options: Mapping[str, Mapping[str, Any]]
    system: Mapping[str, str]
    modules: Mapping[str, str]
    packages: Mapping[str, str]

    @classmethod
    def of(cls, record: Record) -> Self:
        """Give what a run tells of them: its manifest, or what of it is known so far."""
        found = record.manifest.get("inventory") or record.known.get("inventory") or record.manifest.get("versions")
        inventory = found if isinstance(found, dict) else {}
        options = {
            name: told
            for name, told in record.history.options.items()
            if name not in _NO_COMPONENT and isinstance(told, dict)
        }
        return cls(
            components=tuple(_components(record.manifest.get("components"))) or tuple(_chosen(options)),
            options=options,
            system={name: str(inventory[name]) for name in ("os", "kernel") if inventory.get(name)},
            modules=_by_name(inventory.get("modules")),
            packages=_by_name(inventory.get("packages")),
        )


def _components(told: Any) -> Iterator[Component]:
    for each in told if isinstance(told, list) else ():
        if isinstance(each, dict):
            yield Component(*(str(each.get(name, "")) for name in ("task", "title", "version", "source")))


def _chosen(options: Mapping[str, Mapping[str, Any]]) -> Iterator[Component]:
    """Give what the options say of versions, for a run that came to no manifest."""
    for task, told in options.items():
        for name, value in told.items():
            if "version" in name and value:
                yield Component(task, task if name == "version" else f"{task} {name}", str(value))


def _by_name(found: Any) -> dict[str, str]:
    """Give versions by name, sorted, from a list of things with name and version, or from such a table."""
    things = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    pairs = [(_name(each), str(each.get("version", "") or each.get("dkms", ""))) for each in things]
    pairs += [(str(name), str(version)) for name, version in found.items()] if isinstance(found, dict) else []
    versions: dict[str, list[str]] = {}
    for name, version in sorted(pairs, key=lambda pair: (pair[0].lower(), pair)):
        versions.setdefault(name, []).append(version)
    return {name: ", ".join(dict.fromkeys(filter(None, each))) for name, each in versions.items()}


def _name(thing: Mapping[str, Any]) -> str:
    name = str(thing.get("name", ""))
    return f"{name} (pip)" if thing.get("kind") == "pip" else name
