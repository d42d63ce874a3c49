"""The Deep Learning Base image with what clusters need: Lustre, enroot and a container toolkit of your choice."""

from __future__ import annotations

from amiforge.ec2.source_image import dlami_image
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.variants import variants
from amiforge.tasks.aws_cli import AwsCli
from amiforge.tasks.aws_lustre import AwsLustre
from amiforge.tasks.base import Base
from amiforge.tasks.docker import Docker
from amiforge.tasks.nvidia_container_toolkit import NvidiaContainerToolkit
from amiforge.tasks.nvidia_enroot_pyxis import NvidiaEnrootPyxis
from amiforge.tasks.packages import Packages

_TASKS = (
    Base(),
    Packages(kernel="keep"),  # the image's own modules are built for it
    AwsCli(),
    Docker(),
    NvidiaContainerToolkit(),
    AwsLustre(),
    NvidiaEnrootPyxis(nvidia=True, pyxis=False),  # there is no Slurm to build pyxis for
)

dlami_gpu = Recipe(
    name="dlami_gpu",
    description="Deep Learning Base image with Lustre, enroot, Docker and NVIDIA's container toolkit",
    source=dlami_image("al2023"),
    tasks=_TASKS,
    instances=("g4dn", "g5", "g6", "g6e", "g7e", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300"),
    variants=(
        *variants(_TASKS, (dlami_image("ubuntu2404"), dlami_image("ubuntu2204"))),
        *variants(
            _TASKS,
            (dlami_image("al2023", "arm64"), dlami_image("ubuntu2404", "arm64"), dlami_image("ubuntu2204", "arm64")),
            instances=("g5g",),
        ),
    ),
)
