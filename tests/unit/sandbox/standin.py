"""Stand-ins made for one test."""

from __future__ import annotations

from amiforge.sandbox.catalog import Catalog, Repository
from amiforge.sandbox.standins import Build, Origin, Package

ORIGIN = Origin("http://127.0.0.1:8080", "the key")


def make(name: str = "a", *versions: str, **fields: object) -> list[Build]:
    """Give the builds of a package in the repository `core`, of rpms, or `ubuntu`, of debs."""
    values = {"name": name, "repository": "core", "versions": versions or ("1-1",), "summary": "s", **fields}
    repositories = (Repository(name="core"), Repository(name="nvidia"), Repository(name="ubuntu", kind="deb"))
    return list(Catalog((Package.model_validate(values),), repositories, (), ()).builds(ORIGIN))
