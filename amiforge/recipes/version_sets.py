"""Versions that go together, by name. The default of every task's option is the one of `gpu-stable` or `neuron`.

Sources: release notes of the images that AWS makes itself (EKS, ECS, Deep Learning AMIs, ParallelCluster), NVIDIA's
compatibility tables, and the changelog of the EFA installer.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from amiforge.errors import ConfigError
from amiforge.systems import SYSTEMS

_AMZN2 = ("amzn2",)
_NOT_AMZN2 = tuple(os.name for os in SYSTEMS if os.name not in _AMZN2)


@dataclass(frozen=True, slots=True)
class Pin:
    """What a version set says of one option of a task, and why."""

    task: str
    option: str
    value: object
    why: str


@dataclass(frozen=True, slots=True)
class VersionSet:
    """Versions that go together.

    Attributes:
        name: as `--versions` takes it.
        description: what it is for.
        pins: what it says; tasks and options it does not name stay as the recipe has them.
        systems: names of the operating systems it is made for.
        implied: names of those where it holds unless another is asked for.
    """

    name: str
    description: str
    pins: tuple[Pin, ...]
    systems: tuple[str, ...] = _NOT_AMZN2
    implied: tuple[str, ...] = ()

    def pin(self, task: str, option: str) -> Pin | None:
        """Give what it says of an option; None for nothing."""
        return next((pin for pin in self.pins if (pin.task, pin.option) == (task, option)), None)


VERSION_SETS = (
    VersionSet(
        "gpu-stable",
        "long-lived versions, as EKS and ECS images have them; the default",
        (
            Pin("nvidia_driver", "version", "580.159.03", "long-term branch, supported until June 2028; EKS and ECS"),
            Pin("nvidia_driver", "kernel_modules", "open", "NVIDIA's default since 560; Blackwell takes no other"),
            Pin("nvidia_cuda", "version", "13.0", "what driver branch 580 is made for"),
            Pin("aws_efa", "version", "1.50.0", "has a published digest; brings aws-ofi-nccl 1.21.1"),
        ),
    ),
    VersionSet(
        "gpu-current",
        "newest versions that AWS ships in images of its own",
        (
            Pin("nvidia_driver", "version", "595.91.07", "Deep Learning AMIs; supported until March 2027"),
            Pin("nvidia_driver", "kernel_modules", "open", "NVIDIA's default since 560; Blackwell takes no other"),
            Pin("nvidia_cuda", "version", "13.2", "what driver branch 595 is made for"),
            Pin("aws_efa", "version", "1.51.0", "brings aws-ofi-nccl 1.22.0"),
        ),
    ),
)

DEFAULT = VERSION_SETS[0]


def find(name: str) -> VersionSet:
    """Give a version set by its name.

    Raises:
        ConfigError: there is none of that name; names the nearest.
    """
    names = [each.name for each in VERSION_SETS]
    if name in names:
        return VERSION_SETS[names.index(name)]
    near = get_close_matches(name, names, n=1)
    fix = f"did you mean {near[0]}?" if near else ""
    raise ConfigError(f"there is no version set {name!r}", fix=fix, known=", ".join(names))


def implied(os: str) -> VersionSet | None:
    """Give the version set that holds on an operating system unless another is asked for."""
    return next((each for each in VERSION_SETS if os in each.implied), None)
