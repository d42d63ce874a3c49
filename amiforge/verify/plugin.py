"""Pytest plugin: verify hosts against a recipe.

`pytest --pyargs amiforge.verify --amiforge-recipe eks_gpu --hosts ssh://ec2-user@10.0.3.7`

One test a check, over one connection a host. In every other run of pytest it costs the import of this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from amiforge.verify.collected import Hosts

FIXTURE = "amiforge_check"

_HOSTS: pytest.StashKey[Hosts] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options beside testinfra's `--hosts`, `--ssh-config` and `--ssh-identity-file`, which we follow."""
    group = parser.getgroup("amiforge", "verify hosts against an amiforge recipe")
    group.addoption("--amiforge-recipe", metavar="NAME", help="recipe that --hosts are verified against")
    group.addoption(
        "--amiforge-accept-new", action="store_true", help="trust hosts seen for the first time; a changed key never"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that takes `amiforge_check` one call for every check."""
    if FIXTURE not in metafunc.fixturenames:
        return
    if not metafunc.config.option.amiforge_recipe or not metafunc.config.option.hosts:
        skip = pytest.mark.skip(reason="give --amiforge-recipe NAME and --hosts ssh://user@address")
        metafunc.parametrize(FIXTURE, [pytest.param(None, marks=skip, id="nothing asked for")])
        return
    from amiforge.verify.collected import Hosts, collect  # noqa: PLC0415 - heavy, and only wanted here

    hosts = metafunc.config.stash.setdefault(_HOSTS, Hosts(metafunc.config.option))
    collected = collect(hosts, metafunc.config.option.amiforge_recipe)
    metafunc.parametrize(FIXTURE, collected, ids=[each.name for each in collected])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the connections."""
    hosts = config.stash.get(_HOSTS, None)
    if hosts:
        hosts.close()
