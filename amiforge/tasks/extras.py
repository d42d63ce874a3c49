"""Topics of amazon-linux-extras, by which Amazon Linux 2 has what came after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amiforge.resources import Run
from amiforge.shell import argv, script

if TYPE_CHECKING:
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
