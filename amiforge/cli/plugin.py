"""What pytest's command line says about recipes and hosts; the tests themselves are `amiforge.verify.plugin`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from amiforge.verify.plugin import SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amiforge.verify.subject import Subject

pytest_plugins = ("amiforge.verify.plugin",)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options beside testinfra's `--hosts`, `--ssh-config` and `--ssh-identity-file`, which we follow."""
    group = parser.getgroup("amiforge", "verify hosts against an amiforge recipe")
    group.addoption("--amiforge-recipe", metavar="NAME", help="recipe that --hosts are verified against")
    group.addoption(
        "--amiforge-set",
        metavar="TASK.OPTION=VALUE",
        action="append",
        default=[],
        help="change an option of the recipe; repeatable",
    )
    group.addoption("--amiforge-os", metavar="NAME", default="", help="operating system of the recipe")
    group.addoption("--amiforge-arch", metavar="x86_64|arm64", default="", help="architecture of the recipe")
    group.addoption("--amiforge-versions", metavar="NAME", default="", help="versions that go together, by name")
    group.addoption(
        "--amiforge-accept-new", action="store_true", help="trust hosts seen for the first time; a changed key never"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Find out what is asked for, with amiforge.toml of the root folder."""
    if not config.option.amiforge_recipe or not config.getoption("hosts", None):
        return
    from amiforge.errors import AmiforgeError

    try:
        config.stash[SUBJECTS] = tuple(_subjects(config))
    except AmiforgeError as error:
        raise pytest.UsageError(error.block()) from None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the connections."""
    for subject in config.stash.get(SUBJECTS, ()) if config.option.amiforge_recipe else ():
        subject.host.close()


def _subjects(config: pytest.Config) -> Iterator[Subject]:
    from pathlib import Path

    from amiforge.cli.asked import Asked
    from amiforge.cli.choice import choose_one
    from amiforge.cli.config import find, load
    from amiforge.host.address import host_from
    from amiforge.verify.nodes import expand
    from amiforge.verify.subject import Subject

    option = config.option
    settings = load(find(config.rootpath))
    asked = Asked(option.amiforge_set, _one(option.amiforge_os), _one(option.amiforge_arch), option.amiforge_versions)
    chosen = choose_one(option.amiforge_recipe, settings, asked).recipe
    ways = {"config": Path(option.ssh_config)} if option.ssh_config else {}
    trust = {"accept_new": True} if option.amiforge_accept_new else {}
    ssh = settings.ssh.model_copy(update={**ways, **trust})
    key = Path(option.ssh_identity_file) if option.ssh_identity_file else None
    for name in dict.fromkeys(expand(option.hosts)):
        yield Subject(name, host_from(name, key=key, settings=ssh), chosen)


def _one(text: str) -> list[str]:
    return [text] if text else []
