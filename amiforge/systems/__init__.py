"""What differs between the operating systems we bake, as one object each."""

from __future__ import annotations

from amiforge.errors import ConfigError
from amiforge.systems.al2023 import AL2023
from amiforge.systems.amzn2 import AMZN2
from amiforge.systems.os import Os
from amiforge.systems.ubuntu2204 import UBUNTU2204
from amiforge.systems.ubuntu2404 import UBUNTU2404

#: Every operating system we bake, the default first.
SYSTEMS = (AL2023, AMZN2, UBUNTU2204, UBUNTU2404)


def by_name(name: str) -> Os:
    """Give the operating system that recipes call `name`.

    Raises:
        ConfigError: there is none.
    """
    for os in SYSTEMS:
        if os.name == name:
            return os
    raise ConfigError(f"there is no operating system {name!r}", fix=f"use one of {_known()}")


def identify(os_release_id: str, version_id: str) -> Os:
    """Give the operating system whose /etc/os-release says this.

    Raises:
        ConfigError: it is none of ours.
    """
    for os in SYSTEMS:
        if (os.release_id, os.release_version) == (os_release_id, version_id):
            return os
    raise ConfigError(
        f"the host's operating system is {os_release_id} {version_id}", fix=f"use a source image of {_known()}"
    )


def _known() -> str:
    return ", ".join(f"{os.name} ({os.title})" for os in SYSTEMS)
