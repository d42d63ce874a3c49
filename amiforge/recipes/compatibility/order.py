"""Which task comes after which."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.recipes.compatibility.facts import Facts
from amiforge.recipes.compatibility.rule import Conflict, Rule

_KERNEL = "its modules are built for the kernel that packages settles"

#: Before, after, why.
ORDER = (
    ("packages", "nvidia_driver", _KERNEL),
    ("packages", "nvidia_gdrcopy", _KERNEL),
    ("packages", "aws_efa", _KERNEL),
    ("packages", "aws_lustre", _KERNEL),
    ("packages", "neuron_driver", _KERNEL),
    ("nvidia_driver", "aws_efa", "the EFA installer builds efa-nv-peermem against the driver that is there"),
    ("nvidia_driver", "nvidia_gdrcopy", "gdrdrv is built against the driver's source, of the same flavour"),
    ("nvidia_driver", "nvidia_cuda", "the driver's packages must be held before CUDA's repository can move them"),
    ("nvidia_driver", "nvidia_dcgm", "DCGM works through the driver's libraries"),
    ("nvidia_cuda", "nvidia_gdrcopy", "its tests are built with CUDA"),
    ("nvidia_cuda", "nvidia_nccl", "NCCL's tests are built with CUDA"),
    ("aws_efa", "nvidia_nccl", "NCCL's tests are built with the Open MPI that the EFA installer brings"),
    ("nvidia_cuda", "aws_ofi_nccl", "the plugin is built with CUDA"),
    ("aws_efa", "aws_ofi_nccl", "the plugin is built with the libfabric that the EFA installer brings"),
    ("docker", "nvidia_container_toolkit", "the toolkit writes into the configuration of the runtime that is there"),
    ("nvidia_container_toolkit", "nvidia_enroot_pyxis", "enroot's GPU hook calls libnvidia-container"),
    ("neuron_driver", "pytorch_neuron", "PyTorch needs the runtime library beside the driver"),
)


def _out_of_order(facts: Facts) -> Iterator[Conflict]:
    names = [task.name() for task in facts.tasks]
    for before, after, why in ORDER:
        if before in names and after in names and names.index(before) > names.index(after):
            yield Conflict(f"{after} before {before}: {why}", f"move {after} behind {before} in the recipe's tasks")


RULES = (
    Rule(
        "order",
        "Tasks come after those that they are built on.",
        "error",
        "aws/aws-parallelcluster-cookbook, install recipes; Amazon EC2 user guide, EFA",
        _out_of_order,
    ),
)
