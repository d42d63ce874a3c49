"""A ParallelCluster node without accelerators: Docker, Lustre, enroot and pyxis on the official image."""

from __future__ import annotations

from amiforge.ec2.source_image import pcluster_image
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.variants import variants
from amiforge.tasks.aws_cli import AwsCli
from amiforge.tasks.aws_lustre import AwsLustre
from amiforge.tasks.base import Base
from amiforge.tasks.docker import Docker
from amiforge.tasks.nvidia_enroot_pyxis import NvidiaEnrootPyxis
from amiforge.tasks.packages import Packages

_TASKS = (
    Base(),
    Packages(kernel="keep"),  # the image's own modules are built for it
    AwsCli(),
    Docker(),
    AwsLustre(),
    NvidiaEnrootPyxis(),
)

pcluster_cpu = Recipe(
    name="pcluster_cpu",
    description="ParallelCluster node for CPUs: Docker, Lustre, enroot and pyxis",
    source=pcluster_image("al2023"),
    tasks=_TASKS,
    variants=variants(
        _TASKS,
        (
            pcluster_image("ubuntu2404"),
            pcluster_image("ubuntu2204"),
            pcluster_image("al2023", architecture="arm64"),
            pcluster_image("ubuntu2404", architecture="arm64"),
            pcluster_image("ubuntu2204", architecture="arm64"),
            pcluster_image("amzn2"),
        ),
    ),
)
