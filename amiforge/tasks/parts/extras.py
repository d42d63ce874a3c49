"""Topics of amazon-linux-extras, by which Amazon Linux 2 has what came after it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from amiforge.resources import Packages, Run
from amiforge.shell import argv, script

if TYPE_CHECKING:
    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

_ENABLED = r"""
sed -n "/^\[amzn2extra-$1\]/,/^$/p" /etc/yum.repos.d/amzn2-extras.repo | grep -q '^enabled *= *1'
"""


def topic(name: str, system: System) -> Run:
    """Give the wish that the packages of a topic can be installed."""
    return Run(
        f"enable the topic {name}",
        argv("amazon-linux-extras", "enable", name),
        proof=script(_ENABLED, name),
        locks=system.os.packages.locks,
    )


def epel(system: System) -> Iterator[Resource]:
    """Give the wish that EPEL's packages can be installed, `dkms` among them; nothing but on Amazon Linux 2."""
    if system.os.name == "amzn2":
        yield topic("epel", system)
        yield Packages(("epel-release",))
