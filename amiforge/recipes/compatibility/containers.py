"""Container runtimes, NVIDIA's container toolkit, enroot and pyxis."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.recipes.compatibility.facts import Facts
from amiforge.recipes.compatibility.rule import Conflict, Rule
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


RULES = (
    Rule("pyxis-slurm", "Pyxis has a Slurm to be built for.", "error", "NVIDIA/pyxis README.md", _pyxis_without_slurm),
)
