"""EC2 instance families with accelerators: what their devices are, and what they want of an image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from amiforge.systems.system import Arch

KernelModules = Literal["open", "proprietary", "grid"]

_EITHER: tuple[KernelModules, ...] = ("open", "proprietary")


@dataclass(frozen=True, slots=True)
class Family:
    """The instance types that share a name up to the dot.

    Attributes:
        name: as in `p5.48xlarge`: `p5`.
        device: its accelerator.
        compute: CUDA compute capability without the dot, 90 for sm_90; 0 where there is no GPU.
        arch: architecture of its processors.
        kernel_modules: flavours of the NVIDIA modules that bind to the device.
        oldest_driver: first driver that knows the device, where that counts today; empty for none.
        last_branch: last driver branch that supports it; 0 for no end in sight.
        fabric_manager: its GPUs do not work without fabric manager.
        nvlsm: fabric manager needs the NVLink subnet manager beside it.
        imex: GPUs of several instances share memory, which takes IMEX.
    """

    name: str
    device: str
    compute: int = 0
    arch: Arch = "x86_64"
    kernel_modules: tuple[KernelModules, ...] = _EITHER
    oldest_driver: str = ""
    last_branch: int = 0
    fabric_manager: bool = False
    nvlsm: bool = False
    imex: bool = False


_VOLTA_AND_OLDER: tuple[KernelModules, ...] = ("proprietary",)
_OPEN: tuple[KernelModules, ...] = ("open",)
_GRID: tuple[KernelModules, ...] = ("grid",)

#: Sources: NVIDIA driver installation guide (flavours); awslabs/amazon-eks-ami and aws/amazon-ecs-ami (devices, which
#: want fabric manager, which driver); Amazon EKS user guide, G7 instances (what the branch 595 leaves out).
FAMILIES = (
    Family("p3", "NVIDIA V100", 70, kernel_modules=_VOLTA_AND_OLDER, last_branch=580),
    Family("p3dn", "NVIDIA V100", 70, kernel_modules=_VOLTA_AND_OLDER, last_branch=580),
    Family("g3", "NVIDIA M60", 52, kernel_modules=_VOLTA_AND_OLDER, last_branch=580),
    Family("g3s", "NVIDIA M60", 52, kernel_modules=_VOLTA_AND_OLDER, last_branch=580),
    Family("g4dn", "NVIDIA T4", 75),
    Family("g5", "NVIDIA A10G", 86),
    Family("g5g", "NVIDIA T4G", 75, arch="aarch64"),
    Family("g6", "NVIDIA L4", 89),
    Family("gr6", "NVIDIA L4", 89),
    Family("g6f", "a part of an NVIDIA L4", 89, kernel_modules=_GRID, last_branch=580),
    Family("gr6f", "a part of an NVIDIA L4", 89, kernel_modules=_GRID, last_branch=580),
    Family("g6e", "NVIDIA L40S", 89),
    Family("g7", "NVIDIA RTX PRO 4500", 120, kernel_modules=_OPEN, oldest_driver="595.58.03"),
    Family("g7e", "NVIDIA RTX PRO 6000", 120, kernel_modules=_OPEN),
    Family("p4d", "NVIDIA A100", 80, fabric_manager=True),
    Family("p4de", "NVIDIA A100", 80, fabric_manager=True),
    Family("p5", "NVIDIA H100", 90, fabric_manager=True),
    Family("p5e", "NVIDIA H200", 90, fabric_manager=True),
    Family("p5en", "NVIDIA H200", 90, fabric_manager=True),
    Family("p6-b200", "NVIDIA B200", 100, kernel_modules=_OPEN, fabric_manager=True, nvlsm=True),
    Family(
        "p6-b300",
        "NVIDIA B300",
        103,
        kernel_modules=_OPEN,
        oldest_driver="580.82.07",
        fabric_manager=True,
        nvlsm=True,
    ),
    Family("p6e-gb200", "NVIDIA GB200", 100, arch="aarch64", kernel_modules=_OPEN, imex=True),
    Family("inf1", "AWS Inferentia"),
    Family("inf2", "AWS Inferentia2"),
    Family("trn1", "AWS Trainium"),
    Family("trn1n", "AWS Trainium"),
    Family("trn2", "AWS Trainium2"),
)


def find(instance: str) -> Family | None:
    """Give the family of an instance type or family, `p5.48xlarge` or `p5`; None for one that is not in our table.

    `p6` alone means nothing: its members want different things.
    """
    name = instance.partition(".")[0]
    return next((family for family in FAMILIES if family.name == name), None)


def of_arch(instances: Iterable[str], arch: Arch) -> tuple[str, ...]:
    """Leave out the instance types or families that are known to be of another architecture."""
    return tuple(name for name in instances if (family := find(name)) is None or family.arch == arch)
