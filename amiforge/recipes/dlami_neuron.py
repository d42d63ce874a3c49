"""The Deep Learning image for Neuron with what clusters need: Lustre, enroot and Docker."""

from __future__ import annotations

from amiforge.ec2.source_image import dlami_neuron_image
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
    NvidiaEnrootPyxis(pyxis=False),  # there is no Slurm to build pyxis for
)

dlami_neuron = Recipe(
    name="dlami_neuron",
    description="Deep Learning image for Neuron with Lustre, enroot and Docker",
    source=dlami_neuron_image("ubuntu2404"),
    tasks=_TASKS,
    instances=("inf2", "trn1", "trn1n", "trn2"),
    variants=variants(_TASKS, (dlami_neuron_image("al2023"),)),
)
