"""Which versions are on an image: of the components, of the system, and of every package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from amiforge.bake.report.record import Record

#: Parts of the recipe that are no component.
_NO_COMPONENT = frozenset({"source", "builder"})


@dataclass(frozen=True, slots=True)
class Component:
    """A task of the recipe: what of its options is a version, and the others."""

    name: str
    versions: Mapping[str, Any]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Versions:
    """Everything with a version; `packages` are those of the system's and other package managers."""

    components: tuple[Component, ...]
    system: Mapping[str, str]
    modules: Mapping[str, str]
    packages: Mapping[str, str]

    @classmethod
    def of(cls, record: Record) -> Self:
        """Give what a run tells of them."""
        found = record.manifest.get("versions") or record.known.get("inventory")
        inventory = found if isinstance(found, dict) else {}
        system = {name: str(inventory[name]) for name in ("os", "kernel") if inventory.get(name)}
        options = {name: each for name, each in record.history.options.items() if name not in _NO_COMPONENT}
        packages = _plain(inventory.get("packages")) | {
            f"{name} ({kind})": version
            for kind in ("pip", "python")
            for name, version in _plain(inventory.get(kind)).items()
        }
        return cls(
            tuple(map(_component, options, options.values())), system, _plain(inventory.get("modules")), packages
        )


def _component(name: str, options: Any) -> Component:
    told = options if isinstance(options, dict) else {}
    versions = {key: value for key, value in told.items() if "version" in key and value}
    return Component(name, versions, {key: value for key, value in told.items() if key not in versions})


def _plain(found: Any) -> dict[str, str]:
    return {str(name): str(version) for name, version in found.items()} if isinstance(found, dict) else {}
