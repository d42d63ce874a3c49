"""Places to try a launch in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amiforge.ec2.network import Subnet


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place to try a launch in."""

    instance_type: str
    subnet: Subnet

    def __str__(self) -> str:
        return f"{self.instance_type} in {self.subnet.zone}"


def candidates(instance_types: Sequence[str], subnets: Sequence[Subnet]) -> tuple[Candidate, ...]:
    """Give every place to try, the first instance type everywhere before the second anywhere."""
    return tuple(Candidate(kind, subnet) for kind in instance_types for subnet in subnets)
