"""What nvcc is told to compile for, from a CUDA version and instance families."""

from __future__ import annotations

import pytest

from amiforge.errors import RecipeError
from amiforge.systems.system import Arch
from amiforge.tasks.instance_family import FAMILIES
from amiforge.tasks.parts.gpu_architectures import architectures, compiles, gencode


@pytest.mark.parametrize(
    ("cuda", "arch", "computes"),
    [
        ("12.4", "x86_64", (70, 75, 80, 86, 89, 90)),
        ("12.8", "x86_64", (70, 75, 80, 86, 89, 90, 100, 120)),
        ("12.9", "x86_64", (70, 75, 80, 86, 89, 90, 100, 103, 120)),
        ("13.0", "x86_64", (75, 80, 86, 89, 90, 100, 103, 120)),
        ("13.2", "aarch64", (75, 100)),
    ],
)
def test_without_instances_every_family_counts_that_this_cuda_knows(
    cuda: str, arch: Arch, computes: tuple[int, ...]
) -> None:
    assert architectures(cuda, (), arch) == computes


def test_instances_of_one_gpu_are_one_architecture() -> None:
    assert architectures("13.0", ("p5.48xlarge", "p5en", "g6e", "g6.xlarge"), "x86_64") == (89, 90)


@pytest.mark.parametrize(
    ("cuda", "instance", "says"),
    [
        ("13.0", "p3.16xlarge", "CUDA 13.0 makes no code for p3 .NVIDIA V100, sm_70."),
        ("12.4", "p6-b200", "CUDA 12.4 makes no code for p6-b200"),
        ("12.8", "p6-b300", "CUDA 12.8 makes no code for p6-b300"),
        ("13.0", "trn2", "trn2 is no instance type or family with an NVIDIA GPU"),
        ("13.0", "p9", "p9 is no instance type or family"),
    ],
)
def test_what_cannot_be_compiled_for_is_refused(cuda: str, instance: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        architectures(cuda, (instance,), "x86_64")


def test_code_for_the_newest_can_be_translated_for_later_ones() -> None:
    assert gencode((80, 90)) == (
        "-gencode=arch=compute_80,code=sm_80 -gencode=arch=compute_90,code=sm_90 "
        "-gencode=arch=compute_90,code=compute_90"
    )


def test_every_gpu_from_volta_on_is_compiled_for_by_some_cuda() -> None:
    forgotten = [
        family.name
        for family in FAMILIES
        if family.compute >= 70 and not any(compiles(cuda, family.compute) for cuda in ("12.9", "13.0"))
    ]
    assert forgotten == []
