"""What source images bring along, where their makers publish it for an exact version."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType

from amiforge.ec2.source_image import SourceImage


@dataclass(frozen=True, slots=True)
class Carried:
    """Versions on a source image; empty for not there, or not known."""

    driver: str = ""
    cuda: str = ""
    efa: str = ""


#: Official images of ParallelCluster. Source: aws/aws-parallelcluster, CHANGELOG and release notes.
PARALLELCLUSTER = MappingProxyType(
    {
        "3.13.0": Carried("570.86.15", "12.8.0", "1.38.1"),
        "3.14.0": Carried("570.172.08", "12.8.1", "1.43.2"),
        "3.15.0": Carried("580.105.08", "13.0.2", "1.47.0"),
        "3.15.1": Carried("580.126.20"),
        "3.16.0": Carried("595.71.05", "13.2.2", "1.49.0"),
        "3.16.3": Carried("595.112.07", "", "1.51.0"),
    }
)
#: On Amazon Linux 2 they stayed at these, from the same source.
_AMZN2 = ("550.127.08", "12.4.1")


def carried(source: SourceImage) -> Carried:
    """Give what a source image brings along, as far as its description tells."""
    found = PARALLELCLUSTER.get(parallelcluster(source), Carried())
    return Carried(*_AMZN2, found.efa) if found.driver and source.os == "amzn2" else found


def parallelcluster(source: SourceImage) -> str:
    """Give the release of ParallelCluster that a source image is of; empty for none, or not known."""
    named = re.match(r"aws-parallelcluster-(\d+\.\d+\.\d+)-", source.name)
    return named[1] if named and not source.ami else ""
