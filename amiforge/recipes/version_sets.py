"""Versions that go together, by name. The default of every task's option is the one of `gpu-stable` or `neuron`.

Sources: release notes of the images that AWS makes itself (EKS, ECS, Deep Learning AMIs, ParallelCluster), NVIDIA's
compatibility tables, and the changelog of the EFA installer.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from amiforge.errors import ConfigError
from amiforge.systems import SYSTEMS
from amiforge.tasks.instance_family import FAMILIES

_AMZN2 = ("amzn2",)
_NOT_AMZN2 = tuple(os.name for os in SYSTEMS if os.name not in _AMZN2)
#: Driver 550 was before Blackwell, and fractional GPUs want another.
_BEFORE_BLACKWELL = tuple(each.name for each in FAMILIES if "proprietary" in each.kernel_modules)


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
        instances: instance families it is for; a recipe's others are left out. Empty for all.
    """

    name: str
    description: str
    pins: tuple[Pin, ...]
    systems: tuple[str, ...] = _NOT_AMZN2
    implied: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()

    def pin(self, task: str, option: str) -> Pin | None:
        """Give what it says of an option; None for nothing."""
        return next((pin for pin in self.pins if (pin.task, pin.option) == (task, option)), None)


_OPEN = Pin("nvidia_driver", "kernel_modules", "open", "NVIDIA's default since 560; Blackwell takes no other")
_PROPRIETARY = Pin("nvidia_driver", "kernel_modules", "proprietary", "open modules begin with Turing, after Volta")

VERSION_SETS = (
    VersionSet(
        "gpu-stable",
        "long-lived versions, as EKS and ECS images have them; the default",
        (
            Pin("nvidia_driver", "version", "580.159.03", "long-term branch until June 2028; in EKS and ECS images"),
            _OPEN,
            Pin("nvidia_cuda", "version", "13.0", "the CUDA that driver branch 580 is made for"),
            Pin("nvidia_nccl", "version", "2.30.7-1", "of June 2026; aws-ofi-nccl 1.21.1 supports it"),
            Pin("nvidia_nccl", "cuda", "13.0", "nvidia_cuda's"),
            Pin("nvidia_gdrcopy", "version", "2.5.2", "as in Deep Learning AMIs; builds on kernels from 6.15 on too"),
            Pin("nvidia_container_toolkit", "version", "1.20.0", "of August 2026; runs on every system"),
            Pin("nvidia_dcgm", "version", "4.6.1", "in Deep Learning AMIs"),
            Pin("nvidia_dcgm", "cuda", 13, "what driver branch 580 is made for"),
            Pin("aws_efa", "version", "1.50.0", "AWS publishes its digest; brings aws-ofi-nccl 1.21.1"),
        ),
    ),
    VersionSet(
        "gpu-current",
        "newest versions that AWS ships in images of its own",
        (
            Pin("nvidia_driver", "version", "595.91.07", "in Deep Learning AMIs; supported until March 2027"),
            _OPEN,
            Pin("nvidia_cuda", "version", "13.2", "the CUDA that driver branch 595 is made for"),
            Pin("nvidia_nccl", "version", "2.31.2-1", "needed for GPU-initiated networking over EFA"),
            Pin("nvidia_nccl", "cuda", "13.2", "nvidia_cuda's"),
            Pin("nvidia_gdrcopy", "version", "2.6", "newest, as in ParallelCluster 3.16"),
            Pin("nvidia_container_toolkit", "version", "1.20.1", "newest, in Deep Learning AMIs"),
            Pin("nvidia_dcgm", "version", "4.6.1", "in Deep Learning AMIs"),
            Pin("nvidia_dcgm", "cuda", 13, "what driver branch 595 is made for"),
            Pin("aws_efa", "version", "1.51.0", "newest; brings aws-ofi-nccl 1.22.0, tested with NCCL 2.31"),
        ),
    ),
    VersionSet(
        "legacy-v100",
        "P3 instances, whose V100 neither CUDA 13 nor driver branches after 580 support",
        (
            Pin("nvidia_driver", "version", "580.159.03", "last branch that supports Volta"),
            _PROPRIETARY,
            Pin("nvidia_cuda", "version", "12.9", "last CUDA that compiles for Volta"),
            Pin("nvidia_nccl", "version", "2.30.7-1", "still has Volta, built with CUDA 12"),
            Pin("nvidia_nccl", "cuda", "12.9", "nvidia_cuda's"),
            Pin("nvidia_gdrcopy", "version", "2.5.2", "as in gpu-stable"),
            Pin("nvidia_container_toolkit", "version", "1.20.0", "as in gpu-stable"),
            Pin("nvidia_dcgm", "version", "4.6.1", "as in gpu-stable"),
            Pin("nvidia_dcgm", "cuda", 12, "its diagnostics for CUDA 13 leave out Volta"),
            Pin("aws_efa", "version", "1.50.0", "as in gpu-stable"),
        ),
        systems=("al2023", "ubuntu2204"),
        instances=("p3", "p3dn"),
    ),
    VersionSet(
        "legacy-al2",
        "the last versions for Amazon Linux 2, whose support ended on 2026-06-30",
        (
            Pin("nvidia_driver", "version", "550.163.01", "last of Amazon's NVIDIA repository for it"),
            Pin("nvidia_driver", "kernel_modules", "proprietary", "that repository has no others"),
            Pin("nvidia_cuda", "version", "12.4", "last packaged for it"),
            Pin("nvidia_nccl", "version", "2.30.7-1", "built from source, as NVIDIA's packages for it ended"),
            Pin("nvidia_nccl", "cuda", "12.4", "nvidia_cuda's"),
            Pin("nvidia_gdrcopy", "version", "2.4", "as ParallelCluster 3.11 has it with driver 550"),
            Pin("nvidia_container_toolkit", "version", "1.20.0", "first whose rpm it can read again"),
            Pin("aws_efa", "version", "1.49.0", "last installer that supports it"),
            Pin("neuron_driver", "sdk", "2.19.1", "last Neuron SDK that supports it"),
            Pin("pytorch_neuron", "torch_neuronx", "2.1.2.2.2.0", "the one of Neuron SDK 2.19"),
            Pin("pytorch_neuron", "neuronx_cc", "2.14.227.0", "the one of Neuron SDK 2.19"),
        ),
        systems=_AMZN2,
        implied=_AMZN2,
        instances=_BEFORE_BLACKWELL,
    ),
    VersionSet(
        "g7",
        "G7 instances, whose GPU drivers know from 595.58.03 on",
        (
            Pin("nvidia_driver", "version", "595.91.07", "knows RTX PRO 4500, which came with 595.58.03"),
            _OPEN,
            Pin("nvidia_cuda", "version", "13.2", "the CUDA that driver branch 595 is made for"),
            Pin("nvidia_nccl", "version", "2.31.2-1", "as in gpu-current"),
            Pin("nvidia_nccl", "cuda", "13.2", "nvidia_cuda's"),
            Pin("nvidia_dcgm", "version", "4.6.1", "as in gpu-current"),
            Pin("nvidia_dcgm", "cuda", 13, "what driver branch 595 is made for"),
            Pin("aws_efa", "version", "1.50.0", "AWS publishes its digest; brings aws-ofi-nccl 1.21.1"),
        ),
        systems=("al2023",),
        instances=("g7",),
    ),
    VersionSet(
        "neuron",
        "Inferentia and Trainium: newest drivers, and the last torch-neuronx; the default of recipes for them",
        (
            Pin("neuron_driver", "sdk", "2.32.0", "newest Neuron SDK"),
            Pin("pytorch_neuron", "torch_neuronx", "2.9.0.2.15.32035", "of Neuron SDK 2.31, the last one with it"),
            Pin("pytorch_neuron", "neuronx_cc", "2.27.5334.0", "the compiler of Neuron SDK 2.32"),
            Pin("aws_efa", "version", "1.50.0", "AWS publishes its digest; Trainium takes the full installation"),
        ),
        systems=_NOT_AMZN2,
    ),
)


#: Why options that no set touches have the default that they have.
DEFAULTS = (
    Pin("aws_cli", "version", "2.36.11", "its digest is known"),
    Pin("docker", "compose", "2.40.3", "its digest is known, from Docker's official image"),
    Pin("nvidia_nccl", "tests_version", "2.19.6", "newest release, of July 2026"),
    Pin("nvidia_enroot_pyxis", "enroot_version", "4.2.1", "as ParallelCluster 3.16 has it"),
    Pin("nvidia_enroot_pyxis", "pyxis_version", "0.24.0", "as ParallelCluster 3.16 has it"),
)


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
