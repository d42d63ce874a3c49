"""What tests of a host work with, once for every host. A plugin where hosts were asked for, and not before.

Its `host` takes the place of testinfra's.
"""

from __future__ import annotations

from typing import cast

import pytest
from testinfra.host import Host as TestinfraHost

from amiforge.errors import AmiforgeError
from amiforge.recipes.recipe import Recipe
from amiforge.systems.system import System
from amiforge.verify.backend import testinfra_host
from amiforge.verify.subject import Subject


@pytest.fixture(scope="session")
def amiforge_subject(request: pytest.FixtureRequest) -> Subject:
    """Give one of the hosts, connected."""
    subject = cast("Subject", request.param)
    try:
        _ = subject.system
    except AmiforgeError as error:
        pytest.fail(error.block(), pytrace=False)
    return subject


@pytest.fixture(scope="session")
def host(amiforge_subject: Subject) -> TestinfraHost:
    """Give testinfra's view of the host, over our connection; all commands run as root."""
    return testinfra_host(amiforge_subject.host)


@pytest.fixture(scope="session")
def recipe(amiforge_subject: Subject) -> Recipe:
    """Give the recipe that the host should be."""
    return amiforge_subject.recipe


@pytest.fixture(scope="session")
def system(amiforge_subject: Subject) -> System:
    """Give what the host is: operating system, kernel, devices."""
    return amiforge_subject.system
