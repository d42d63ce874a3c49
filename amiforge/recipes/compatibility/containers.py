"""Container runtimes, NVIDIA's container toolkit, enroot and pyxis."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.recipes.compatibility.facts import Facts, numbers
from amiforge.recipes.compatibility.rule import Conflict, Rule
from amiforge.tasks.nvidia_container_toolkit import NvidiaContainerToolkit
from amiforge.tasks.nvidia_enroot_pyxis import NvidiaEnrootPyxis

_DEFAULT = str(NvidiaEnrootPyxis.model_fields["slurm"].default)


def _pyxis_without_slurm(facts: Facts) -> Iterator[Conflict]:
    pyxis, slurm = facts.task(NvidiaEnrootPyxis), facts.source.slurm
    if not pyxis or not pyxis.pyxis or pyxis.slurm == slurm:
        return
    if slurm:
        yield Conflict(
            f"pyxis for the Slurm in {pyxis.slurm} and the source image: its Slurm is in {slurm}, and loads no plugin"
            " that was built for another",
            f"--set nvidia_enroot_pyxis.slurm={slurm}",
        )
    elif pyxis.slurm == _DEFAULT:
        yield Conflict(
            "pyxis and a source image without Slurm: it is built against the headers of the Slurm that loads it",
            "--set nvidia_enroot_pyxis.pyxis=false, or nvidia_enroot_pyxis.slurm= the folder of the image's Slurm",
        )


def _toolkit_of_system(facts: Facts) -> Iterator[Conflict]:
    toolkit = facts.task(NvidiaContainerToolkit)
    if toolkit and facts.system.os.name == "amzn2" and numbers(toolkit.version)[:2] == (1, 19):
        yield Conflict(
            f"NVIDIA container toolkit {toolkit.version} and Amazon Linux 2: its rpm cannot read zstd, with which"
            " packages of 1.19 are compressed",
            "--set nvidia_container_toolkit.version=1.20.0",
        )


def _cdi_in_old_docker(facts: Facts) -> Iterator[Conflict]:
    toolkit, os = facts.task(NvidiaContainerToolkit), facts.system.os
    if not (toolkit and "docker" in toolkit.runtimes and os.name in {"al2023", "amzn2"}):
        return
    if toolkit.cdi or toolkit.mode == "cdi":
        yield Conflict(
            f"CDI of NVIDIA container toolkit {toolkit.version} and Docker of {os.title}: its Docker 25 does not read"
            " the specification, which takes 26.1 or newer",
            "--set nvidia_container_toolkit.cdi=false --set nvidia_container_toolkit.mode=auto",
        )


RULES = (
    Rule(
        "toolkit-system",
        "The container toolkit's packages can be read by the operating system.",
        "error",
        "NVIDIA container toolkit release notes, 1.20.0",
        _toolkit_of_system,
    ),
    Rule(
        "docker-cdi",
        "Docker is new enough for the specification that CDI gives it.",
        "warning",
        "NVIDIA container toolkit release notes, 1.19.1",
        _cdi_in_old_docker,
    ),
    Rule("pyxis-slurm", "Pyxis has a Slurm to be built for.", "error", "NVIDIA/pyxis README.md", _pyxis_without_slurm),
)
