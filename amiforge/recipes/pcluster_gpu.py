"""A ParallelCluster node with NVIDIA GPUs, for training and inference."""

from __future__ import annotations

from amiforge.ec2.source_image import pcluster_image
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

_TASKS = (
    Base(),
    Packages(kernel="keep"),  # the image's own modules are built for it
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
    NvidiaEnrootPyxis(nvidia=True),
)

pcluster_gpu = Recipe(
    name="pcluster_gpu",
    description="ParallelCluster node for GPUs: NVIDIA's stack, EFA, NCCL, Lustre, Docker, enroot and pyxis",
    source=pcluster_image("al2023"),
    tasks=_TASKS,
    instances=("g4dn", "g5", "g6", "g6e", "g7e", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300"),
    variants=(
        *variants(_TASKS, (pcluster_image("ubuntu2404"), pcluster_image("ubuntu2204"))),
        *variants(
            _TASKS,
            (
                pcluster_image("al2023", architecture="arm64"),
                pcluster_image("ubuntu2404", architecture="arm64"),
                pcluster_image("ubuntu2204", architecture="arm64"),
            ),
            instances=("g5g",),
        ),
        *variants(_TASKS, (pcluster_image("amzn2"),), instances=("g4dn", "g5", "p4d", "p4de", "p5")),
    ),
)
