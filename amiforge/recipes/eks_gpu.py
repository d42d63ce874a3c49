"""A GPU node for Amazon EKS: the EKS-optimized NVIDIA image with EFA, Lustre and a driver of your choice."""

from __future__ import annotations

from amiforge.ec2.builder import Builder
from amiforge.ec2.source_image import eks_image
from amiforge.recipes.recipe import Recipe
from amiforge.tasks.aws_cli import AwsCli
from amiforge.tasks.aws_efa import AwsEfa
from amiforge.tasks.aws_lustre import AwsLustre
from amiforge.tasks.nvidia_driver import NvidiaDriver
from amiforge.tasks.packages import Packages

eks_gpu = Recipe(
    name="eks_gpu",
    description="EKS node with NVIDIA driver and fabric manager, EFA and Lustre",
    source=eks_image(kubernetes="1.34", accelerator="nvidia"),
    builder=Builder(),
    tasks=(
        Packages(update="security"),
        AwsCli(),
        NvidiaDriver(),
        AwsEfa(minimal=True),
        AwsLustre(),
    ),
)
