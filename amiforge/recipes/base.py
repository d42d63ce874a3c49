"""Everything on a plain image: NVIDIA's stack, EFA, Lustre, Docker and enroot, for clusters of your own making."""

from __future__ import annotations

from amiforge.ec2.builder import Builder
from amiforge.ec2.source_image import al2023_image, amzn2_image, ubuntu_image
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.variants import variants
from amiforge.tasks.aws_cli import AwsCli
from amiforge.tasks.aws_efa import AwsEfa
from amiforge.tasks.aws_lustre import AwsLustre
from amiforge.tasks.aws_ofi_nccl import AwsOfiNccl
from amiforge.tasks.base import Base
from amiforge.tasks.docker import Docker
from amiforge.tasks.nvidia_container_toolkit import NvidiaContainerToolkit
from amiforge.tasks.nvidia_cuda import NvidiaCuda
from amiforge.tasks.nvidia_dcgm import NvidiaDcgm
from amiforge.tasks.nvidia_driver import NvidiaDriver
from amiforge.tasks.nvidia_enroot_pyxis import NvidiaEnrootPyxis
from amiforge.tasks.nvidia_gdrcopy import NvidiaGdrcopy
from amiforge.tasks.nvidia_nccl import NvidiaNccl
from amiforge.tasks.packages import Packages

# Plain images have 8 GiB; a CUDA toolkit alone takes as much.
_BUILDER = Builder(volume_gib=80)
_TASKS = (
    Base(),
    Packages(update="all"),
    AwsCli(),
    NvidiaDriver(),
    NvidiaCuda(),
    NvidiaGdrcopy(),
    NvidiaDcgm(),
    Docker(),
    NvidiaContainerToolkit(),
    AwsEfa(),
    NvidiaNccl(),
    AwsOfiNccl(),
    AwsLustre(),
    NvidiaEnrootPyxis(nvidia=True, pyxis=False),  # there is no Slurm to build pyxis for
)

base = Recipe(
    name="base",
    description="plain image with NVIDIA's stack, EFA, NCCL, Lustre, Docker and enroot",
    source=al2023_image(),
    builder=_BUILDER,
    tasks=_TASKS,
    instances=("g4dn", "g5", "g6", "g6e", "g7e", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300"),
    variants=(
        *variants(_TASKS, (ubuntu_image("ubuntu2404"), ubuntu_image("ubuntu2204")), _BUILDER),
        *variants(
            _TASKS,
            (
                al2023_image(architecture="arm64"),
                ubuntu_image("ubuntu2404", "arm64"),
                ubuntu_image("ubuntu2204", "arm64"),
            ),
            _BUILDER,
            instances=("g5g",),
        ),
        *variants(_TASKS, (amzn2_image(),), _BUILDER, instances=("g4dn", "g5", "p4d", "p4de", "p5")),
    ),
)
