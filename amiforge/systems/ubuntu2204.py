"""Ubuntu 22.04."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from amiforge.systems.ubuntu2404 import UBUNTU2404

#: End of standard support: Ubuntu release cycle.
UBUNTU2204 = replace(
    UBUNTU2404,
    name="ubuntu2204",
    title="Ubuntu 22.04",
    release_version="22.04",
    codename="jammy",
    end_of_life=date(2027, 4, 30),
)
