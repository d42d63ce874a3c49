"""A ParallelCluster node with Trainium or Inferentia, for training and inference."""

from __future__ import annotations

from amiforge.ec2.source_image import pcluster_image
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.variants import variants
from amiforge.tasks.aws_cli import AwsCli
from amiforge.tasks.aws_efa import AwsEfa
from amiforge.tasks.aws_lustre import AwsLustre
from amiforge.tasks.base import Base
from amiforge.tasks.docker import Docker
from amiforge.tasks.neuron_driver import NeuronDriver
from amiforge.tasks.nvidia_enroot_pyxis import NvidiaEnrootPyxis
from amiforge.tasks.packages import Packages
from amiforge.tasks.pytorch_neuron import PytorchNeuron

_TASKS = (
    Base(),
    Packages(kernel="keep"),  # the image's own modules are built for it
    AwsCli(),
    NeuronDriver(),
    Docker(),
    AwsEfa(),
    AwsLustre(),
    NvidiaEnrootPyxis(),
    PytorchNeuron(),
)

pcluster_neuron = Recipe(
    name="pcluster_neuron",
    description="ParallelCluster node for Trainium and Inferentia: Neuron, EFA, Lustre, Docker, enroot and pyxis",
    source=pcluster_image("ubuntu2404"),  # PyTorch for Neuron does not exist for Amazon Linux 2023
    tasks=_TASKS,
    instances=("inf2", "trn1", "trn1n", "trn2"),
    variants=variants(_TASKS, (pcluster_image("al2023"), pcluster_image("ubuntu2204"), pcluster_image("amzn2"))),
)
