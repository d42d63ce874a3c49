"""A GPU node for Amazon EKS: the EKS-optimized NVIDIA image with EFA, Lustre and a driver of your choice."""

from __future__ import annotations

from amiforge.ec2.source_image import eks_image, eks_ubuntu_image
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.variants import variants
from amiforge.tasks.aws_cli import AwsCli
from amiforge.tasks.aws_efa import AwsEfa
from amiforge.tasks.aws_lustre import AwsLustre
from amiforge.tasks.nvidia_container_toolkit import NvidiaContainerToolkit
from amiforge.tasks.nvidia_driver import NvidiaDriver
from amiforge.tasks.packages import Packages

_TASKS = (
    Packages(update="security"),
    AwsCli(),
    NvidiaDriver(),
    AwsEfa(minimal=True),  # containers bring libfabric, MPI and the NCCL plugin along
    AwsLustre(),
)
# Canonical's image for EKS has nothing of NVIDIA's.
_ON_UBUNTU = (*_TASKS[:3], NvidiaContainerToolkit(runtimes=("containerd",)), *_TASKS[3:])

eks_gpu = Recipe(
    name="eks_gpu",
    description="EKS node with NVIDIA driver and fabric manager, EFA and Lustre",
    source=eks_image(kubernetes="1.34", accelerator="nvidia"),
    tasks=_TASKS,
    instances=("g4dn", "g5", "g6", "g6e", "g7e", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300"),
    variants=(
        *variants(_ON_UBUNTU, (eks_ubuntu_image("1.34"),)),
        *variants(_TASKS, (eks_image("1.34", "nvidia", "arm64"),), instances=("g5g",)),
        *variants(_ON_UBUNTU, (eks_ubuntu_image("1.34", "arm64"),), instances=("g5g",)),
    ),
)
