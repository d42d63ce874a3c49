"""Pytest plugin: our checks, and fixtures for other people's tests of a host.

`pytest --pyargs amiforge.verify tests/image --amiforge-recipe eks_gpu --hosts ssh://ec2-user@10.0.3.7`

One test a check, over one connection a host. In every other run of pytest it costs the import of this file, and
testinfra's own `host` is as it was. The options stand where recipes are chosen, in `amiforge.cli.plugin`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from amiforge.verify.subject import Subject

FIXTURE = "amiforge_check"
SUBJECT = "amiforge_subject"
HINT = "give --amiforge-recipe NAME and --hosts ssh://user@address"

#: The hosts of this run. Whoever puts them here closes their connections.
SUBJECTS: pytest.StashKey[Sequence[Subject]] = pytest.StashKey()


@pytest.fixture(scope="session")
def recipe() -> NoReturn:
    """Give the recipe that the host should be, an `amiforge.Recipe`."""
    pytest.skip(HINT)


@pytest.fixture(scope="session")
def system() -> NoReturn:
    """Give what the host is, an `amiforge.systems.system.System`: operating system, kernel, devices."""
    pytest.skip(HINT)


def pytest_configure(config: pytest.Config) -> None:
    """Offer the fixtures where hosts were asked for."""
    if config.stash.get(SUBJECTS, ()):
        from amiforge.verify import fixtures  # noqa: PLC0415 - heavy, and only wanted here

        config.pluginmanager.register(fixtures)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test one call for every host, and one that takes `amiforge_check` one for every check."""
    subjects = metafunc.config.stash.get(SUBJECTS, ())
    if SUBJECT in metafunc.fixturenames:
        metafunc.parametrize(SUBJECT, subjects, ids=[each.name for each in subjects], indirect=True, scope="session")
    if FIXTURE not in metafunc.fixturenames:
        return
    if not subjects:
        metafunc.parametrize(FIXTURE, [pytest.param(None, marks=pytest.mark.skip(reason=HINT), id="nothing asked for")])
        return
    from amiforge.verify.subject import questions  # noqa: PLC0415 - as above

    found = [*questions(subjects)]
    metafunc.parametrize(FIXTURE, found, ids=[each.name for each in found])
