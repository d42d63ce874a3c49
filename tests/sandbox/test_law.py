"""The law of every task, on every operating system that it supports.

A plan finds something to do; an apply does it; then a plan finds nothing, and an apply does nothing; after one thing
drifted, a plan names exactly that, and an apply mends it. The checks of the task agree with the engine throughout.

One machine of each operating system carries its tasks in install order. A task of the registry that is not in the table
below fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from amiforge.ec2.source_image import SourceImage, al2023_image, amzn2_image, pcluster_image, ubuntu_image
from amiforge.errors import AmiforgeError
from amiforge.host.ssh import SshHost
from amiforge.recipes import version_sets
from amiforge.recipes.recipe import Recipe
from amiforge.sandbox.folder import Folder
from amiforge.systems import SYSTEMS
from amiforge.tasks import registry
from amiforge.tasks.task import Task
from amiforge.verify.runner import verify
from tests.sandbox.bench import Bench, launched
from tests.sandbox.cloud import Cloud

#: The law takes as long as all other tests that boot machines, so it has a sandbox of its own beside theirs.
SANDBOX = "law"

PLAIN = {
    "al2023": al2023_image(),
    "amzn2": amzn2_image(),
    "ubuntu2204": ubuntu_image("ubuntu2204"),
    "ubuntu2404": ubuntu_image("ubuntu2404"),
}
#: Tasks that need what only another source image brings, with the tasks that go before them there.
ELSEWHERE = {"nvidia_enroot_pyxis": ("packages",)}


@dataclass(frozen=True)
class Drift:
    """One thing that goes wrong on a machine: sh text that does it, and what a plan then says by resource."""

    damage: str
    named: dict[str, list[str]]
    beforehand: bool = False  # whether another task made this one's wishes true before it came


_UNHELD = {"hold of linux-aws*, linux-image-*, linux-headers-*, linux-modules-*": ["linux-aws*"]}
_OFI = "/etc/ld.so.conf.d/090_amiforge_ofi_nccl.conf"
_VENV = "/opt/aws_neuronx_venv_pytorch"

#: Options where a task's defaults leave it little to do.
OPTIONS = {name: {"aws_ofi_nccl": {"version": "1.21.1"}} for name in PLAIN if name != "amzn2"}

#: One drift for each task; by operating system where it differs.
DRIFTS: dict[str, Drift | dict[str, Drift]] = {
    "base": Drift(
        "chmod 600 /etc/security/limits.d/60-amiforge.conf", {"file /etc/security/limits.d/60-amiforge.conf": ["mode"]}
    ),
    "packages": {
        "al2023": Drift("dnf -q versionlock delete 'kernel*'", {"hold of kernel*": ["kernel*"]}),
        "amzn2": Drift("yum -q versionlock delete 'kernel*'", {"hold of kernel*": ["kernel*"]}),
        "ubuntu2204": Drift("apt-mark unhold linux-aws", _UNHELD),
        "ubuntu2404": Drift("apt-mark unhold linux-aws", _UNHELD),
    },
    "aws_cli": Drift("rm /usr/local/bin/aws", {"install AWS CLI": ["version"]}),
    "nvidia_driver": Drift(
        "systemctl -q disable nvidia-persistenced", {"service nvidia-persistenced.service": ["enabled"]}
    ),
    "nvidia_cuda": Drift("chmod 600 /etc/profile.d/cuda.sh", {"file /etc/profile.d/cuda.sh": ["mode"]}),
    "nvidia_gdrcopy": Drift(
        "chmod 644 /usr/local/libexec/amiforge/load-gdrdrv", {"file /usr/local/libexec/amiforge/load-gdrdrv": ["mode"]}
    ),
    "nvidia_dcgm": Drift("systemctl -q disable nvidia-dcgm", {"service nvidia-dcgm.service": ["enabled"]}),
    "docker": Drift("systemctl -q disable docker", {"service docker.service": ["enabled"]}),
    "nvidia_container_toolkit": Drift(
        "chmod 600 /usr/local/libexec/amiforge/has-pci", {"file /usr/local/libexec/amiforge/has-pci": ["mode"]}
    ),
    "aws_efa": Drift(
        "sed -i '1s/: .*/: 1.0.0/' /opt/amazon/efa_installed_packages", {"install EFA installer": ["version"]}
    ),
    "nvidia_nccl": Drift("rm -r /opt/nccl-tests", {"install nccl-tests": ["version"]}),
    "aws_ofi_nccl": {
        "amzn2": Drift(f"touch {_OFI}", {f"file {_OFI}": ["type"]}, beforehand=True),
        **{os: Drift(f"chmod 600 {_OFI}", {f"file {_OFI}": ["mode"]}) for os in PLAIN if os != "amzn2"},
    },
    "aws_lustre": Drift("rm /etc/modules-load.d/amiforge-lnet.conf", {"kernel module lnet": ["load_at_boot"]}),
    "nvidia_enroot_pyxis": Drift(
        "sed -i /plugstack.conf.d/d /opt/slurm/etc/plugstack.conf",
        {"run load pyxis by /opt/slurm/etc/plugstack.conf": ["done"]},
    ),
    "neuron_driver": Drift("chmod 600 /etc/profile.d/neuron.sh", {"file /etc/profile.d/neuron.sh": ["mode"]}),
    "pytorch_neuron": {
        "amzn2": Drift(f"chmod 700 {_VENV}_2_1", {f"directory {_VENV}_2_1": ["mode"]}),
        "ubuntu2404": Drift(f"chmod 700 {_VENV}_2_9", {f"directory {_VENV}_2_9": ["mode"]}),
    },
}


@dataclass(frozen=True)
class Machine:
    """A machine, and the recipe of all its tasks."""

    bench: Bench
    host: SshHost
    recipe: Recipe

    def changed(self, *tasks: Task) -> int:
        """Apply tasks, and give how many resources that changed."""
        return self.bench.apply(self.host, tasks).changed

    def pending(self, *tasks: Task) -> dict[str, list[str]]:
        """Give what a plan would change."""
        return self.bench.pending(self.host, tasks)

    def breaches(self, task: Task) -> Iterator[str]:
        """Put a task under the law, and name each place where it breaks it."""
        drift = drift_of(task.name(), self.recipe.source.os)
        if not self.pending(task) and not drift.beforehand:
            yield "there is nothing to do on a machine without it"
        self.changed(task)
        yield from self.at_rest("applied", task)
        if damage := self.host.run(drift.damage).stderr.decode().strip():
            yield f"its drift does not work: {damage}"
        if (found := self.pending(task)) != drift.named:
            yield f"after its drift, a plan names {found}, not {drift.named}"
        if (count := self.changed(task)) != len(drift.named):
            yield f"mending its drift changed {count} resources, not {len(drift.named)}"
        if found := self.pending(task):
            yield f"once mended, a plan still names {found}"
        verify(self.host, self.recipe.model_copy(update={"tasks": (task,)}))

    def at_rest(self, when: str, *tasks: Task) -> Iterator[str]:
        """Name what is not as wanted where nothing should differ."""
        if found := self.pending(*tasks):
            yield f"once {when}, a plan still names {found}"
        if count := self.changed(*tasks):
            yield f"once {when}, an apply still changes {count} resources"


def supported(name: str) -> list[str]:
    """Give the operating systems on which a task exists for the architecture that boots here."""
    return [os.name for os in SYSTEMS if (os.name, "x86_64") in registry.find(name).platforms]


def law(source: SourceImage, names: list[str]) -> Recipe:
    """Give the recipe of some tasks on a source image, with the versions that its operating system has."""
    options = OPTIONS.get(source.os, {})
    tasks = tuple(registry.find(name).model_validate(options.get(name, {})) for name in names)
    recipe = Recipe(name="law", description="every task there is", source=source, tasks=tasks)
    implied = version_sets.implied(source.os)
    return recipe.with_versions(implied.name) if implied else recipe


def recipe_of(os: str, alone: str) -> Recipe:
    """Give the recipe of one machine: all tasks of a system, or one that needs another source image."""
    if alone:
        return law(pcluster_image(os), [*ELSEWHERE[alone], alone])
    return law(PLAIN[os], [name for name in registry.names() if os in supported(name) and name not in ELSEWHERE])


def drift_of(name: str, os: str) -> Drift:
    """Give the drift of a task on a system."""
    drift = DRIFTS[name]
    return drift if isinstance(drift, Drift) else drift[os]


def heard(title: str, breaches: Iterator[str]) -> list[str]:
    """Give breaches in words; an error is one, and the last."""
    found: list[str] = []
    try:
        found.extend(breaches)
    except AmiforgeError as error:
        found.append(error.block())
    return [f"{title}: {each}" for each in found]


@pytest.mark.sandbox
@pytest.mark.timeout(900)
@pytest.mark.parametrize("alone", ["", *ELSEWHERE])
@pytest.mark.parametrize("os", PLAIN)
def test_every_task_is_made_true_once_and_mended_where_it_drifts(
    os: str, alone: str, cloud: Cloud, own_folder: Folder, tmp_path: Path
) -> None:
    recipe = recipe_of(os, alone)
    bench = launched(cloud, own_folder, recipe.source)
    host = bench.host(tmp_path)
    machine = Machine(bench, host, recipe)
    found = [line for task in recipe.tasks for line in heard(task.name(), machine.breaches(task))]
    found += heard("all tasks", machine.at_rest("applied one after the other", *recipe.tasks))
    host.close()
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", registry.names())
def test_the_law_knows_every_task(name: str) -> None:
    systems = supported(name)
    assert systems, f"{name} exists on no x86_64 system"
    drift = DRIFTS.get(name)
    assert drift, f"{name} has no drift: add one to DRIFTS"
    assert isinstance(drift, Drift) or set(drift) == set(systems)
