"""Which GPUs a version of CUDA compiles for, and what its compiler is told to make code for EC2's."""

from __future__ import annotations

from collections.abc import Sequence

from amiforge.errors import RecipeError
from amiforge.systems.system import Arch
from amiforge.tasks.instance_family import FAMILIES, find

_ALWAYS = (99, 0)

#: Compute capability without the dot, the first CUDA that compiles for it, and the first that does not any more.
#: Sources: CUDA Toolkit release notes; NVIDIA/nccl, makefiles/common.mk.
_COMPILES = {
    70: ((9, 0), (13, 0)),
    75: ((10, 0), _ALWAYS),
    80: ((11, 0), _ALWAYS),
    86: ((11, 1), _ALWAYS),
    89: ((11, 8), _ALWAYS),
    90: ((11, 8), _ALWAYS),
    100: ((12, 8), _ALWAYS),
    103: ((12, 9), _ALWAYS),
    120: ((12, 8), _ALWAYS),
}


def release(cuda: str) -> tuple[int, int]:
    """Give major and minor of a CUDA version: `13.0.2` is (13, 0)."""
    major, minor = cuda.split(".")[:2]
    return int(major), int(minor)


def compiles(cuda: str, compute: int) -> bool:
    """Tell whether this CUDA makes code for a compute capability, 90 for sm_90."""
    first, gone = _COMPILES.get(compute, (_ALWAYS, _ALWAYS))
    return first <= release(cuda) < gone


def architectures(cuda: str, instances: Sequence[str], arch: Arch) -> tuple[int, ...]:
    """Give the compute capabilities of instance types or families, in order.

    Args:
        cuda: version of the toolkit.
        instances: `p5`, `g6e.xlarge`; none for every family of this architecture that this CUDA knows.
        arch: architecture of the machine.

    Raises:
        RecipeError: a name is not in our table or has no GPU, or this CUDA makes no code for it.
    """
    if not instances:
        computes = {family.compute for family in FAMILIES if family.arch == arch}
        return tuple(sorted(compute for compute in computes if compiles(cuda, compute)))
    return tuple(sorted({_compute(cuda, name) for name in instances}))


def gencode(computes: Sequence[int]) -> str:
    """Give nvcc's options: machine code for each, and code that later GPUs can translate for the newest."""
    options = [f"-gencode=arch=compute_{compute},code=sm_{compute}" for compute in computes]
    return " ".join([*options, f"-gencode=arch=compute_{computes[-1]},code=compute_{computes[-1]}"])


def _compute(cuda: str, instance: str) -> int:
    family = find(instance)
    if family is None or not family.compute:
        raise RecipeError(f"{instance} is no instance type or family with an NVIDIA GPU", fix="write it as p5 or g6e")
    if not compiles(cuda, family.compute):
        raise RecipeError(
            f"CUDA {cuda} makes no code for {family.name} ({family.device}, sm_{family.compute})",
            fix="leave it out, or choose another CUDA: 12.9 is the last for Volta and the first for all of Blackwell",
        )
    return family.compute
