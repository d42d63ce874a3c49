from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from amiforge import recipes
from amiforge.ec2.source_image import (
    SourceImage,
    al2023_image,
    amzn2_image,
    dlami_neuron_image,
    eks_image,
    pcluster_image,
    ubuntu_image,
)
from amiforge.errors import CompatibilityError, ConfigError, RecipeError
from amiforge.recipes.assumed import assumed
from amiforge.recipes.compatibility import RULES, require, violations
from amiforge.recipes.compatibility.facts import Facts
from amiforge.recipes.compatibility.order import ORDER
from amiforge.recipes.compatibility.rule import Conflict, Rule
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.version_sets import VERSION_SETS
from amiforge.resources import Repository
from amiforge.systems.system import System
from amiforge.tasks import registry
from amiforge.tasks.aws_efa import AwsEfa
from amiforge.tasks.aws_lustre import AwsLustre
from amiforge.tasks.aws_ofi_nccl import AwsOfiNccl
from amiforge.tasks.docker import Docker
from amiforge.tasks.neuron_driver import NeuronDriver
from amiforge.tasks.nvidia_container_toolkit import NvidiaContainerToolkit as Toolkit
from amiforge.tasks.nvidia_cuda import NvidiaCuda
from amiforge.tasks.nvidia_dcgm import NvidiaDcgm
from amiforge.tasks.nvidia_driver import NvidiaDriver
from amiforge.tasks.nvidia_enroot_pyxis import NvidiaEnrootPyxis
from amiforge.tasks.nvidia_gdrcopy import NvidiaGdrcopy
from amiforge.tasks.nvidia_nccl import NvidiaNccl
from amiforge.tasks.packages import Packages
from amiforge.tasks.pytorch_neuron import PytorchNeuron
from amiforge.tasks.task import Task

TODAY = date(2026, 11, 23)
_CUDA_REPOSITORY = "https://developer.download.nvidia.com/compute/cuda/repos/amzn2023/x86_64/"
P6 = ("p6-b200",)


class OwnRepository(Task):
    """A repository that somebody adds without thinking."""

    only: tuple[str, ...] = ()

    def resources(self, system: System) -> Iterator[Repository]:
        yield Repository("mine", _CUDA_REPOSITORY, key_url=f"{_CUDA_REPOSITORY}key.pub", only=self.only)


def recipe(*tasks: Task, source: SourceImage | None = None, instances: tuple[str, ...] = (), **fields: Any) -> Recipe:
    source = source or al2023_image()
    return Recipe(name="r", description="r", source=source, tasks=tasks, instances=instances, **fields)


def broken(given: Recipe, today: date = TODAY) -> dict[str, str]:
    return {each.rule: each.message for each in violations(given, today=today)}


PROPRIETARY = NvidiaDriver(kernel_modules="proprietary")
BREAKS: list[tuple[str, Recipe, tuple[str, ...]]] = [
    ("driver-too-new", recipe(NvidiaDriver(version="595.91.07"), instances=("p3",)), ("595.91.07", "p3", "580")),
    ("driver-too-new", recipe(NvidiaDriver(version="595.91.07"), instances=("g6f",)), ("595.91.07", "g6f")),
    ("driver-too-old", recipe(NvidiaDriver(), instances=("g7",)), ("580.159.03", "g7", "595.58.03")),
    ("driver-too-old", recipe(NvidiaDriver(version="580.65.06"), instances=("p6-b300",)), ("p6-b300", "580.82.07")),
    ("kernel-modules", recipe(PROPRIETARY, instances=P6), ("proprietary", "p6-b200", "never bind")),
    ("kernel-modules", recipe(PROPRIETARY, instances=("g7e",)), ("proprietary", "g7e")),
    ("kernel-modules", recipe(NvidiaDriver(), instances=("g6f",)), ("open", "g6f", "grid")),
    ("driver-companions", recipe(NvidiaDriver(fabric_manager=False), instances=("p5",)), ("fabric manager", "p5")),
    ("driver-companions", recipe(NvidiaDriver(nvlsm=False), instances=P6), ("subnet manager", "p6-b200")),
    (
        "driver-companions",
        recipe(NvidiaDriver(imex=False), source=al2023_image(architecture="arm64"), instances=("p6e-gb200",)),
        ("IMEX", "p6e-gb200"),
    ),
    (
        "driver-gb200",
        recipe(
            NvidiaDriver(version="595.91.07"),
            AwsEfa(),
            source=al2023_image(architecture="arm64"),
            instances=("p6e-gb200",),
        ),
        ("595.91.07", "EFA", "p6e-gb200"),
    ),
    ("neuron-kernel", recipe(NeuronDriver()), ("2.32.0", "kernel 6.12", "6.1 and 6.18")),
    (
        "fabric-manager-version",
        recipe(Packages(install=("nvidia-fabricmanager-580.126.20",)), NvidiaDriver()),
        ("nvidia-fabricmanager-580.126.20", "driver 580.159.03"),
    ),
    (
        "fabric-manager-version",
        recipe(Packages(install=("nvidia-fabricmanager-580.126.20",)), source=pcluster_image(version="3.16.0")),
        ("nvidia-fabricmanager-580.126.20", "source image's NVIDIA driver 595.71.05"),
    ),
    ("driver-system", recipe(PROPRIETARY, source=amzn2_image()), ("580.159.03", "Amazon Linux 2", "550.163.01")),
    ("driver-ended", recipe(NvidiaDriver(version="535.129.03")), ("535.129.03", "2026-06")),
    ("nvidia-repositories", recipe(NvidiaDriver(), OwnRepository()), ("Amazon's", "own_repository's", "mix")),
    ("cuda-driver", recipe(NvidiaDriver(version="570.86.15"), NvidiaCuda()), ("CUDA 13.0", "570.86.15", "580")),
    ("cuda-driver", recipe(NvidiaCuda(), source=pcluster_image(version="3.14.0")), ("CUDA 13.0", "570.172.08")),
    ("cuda-driver", recipe(NvidiaDriver(version="570.86.15"), NvidiaCuda(version="12.8", also=("13.0",))), ("13.0",)),
    ("cuda-gpu", recipe(NvidiaCuda(), instances=("p3",)), ("CUDA 13.0", "p3", "sm_70")),
    ("cuda-gpu", recipe(NvidiaCuda(version="12.6"), instances=P6), ("CUDA 12.6", "p6-b200", "sm_100")),
    ("cuda-gpu", recipe(NvidiaCuda(version="12.8"), instances=("p6-b300",)), ("CUDA 12.8", "sm_103")),
    ("cuda-system", recipe(NvidiaCuda(version="12.9"), source=amzn2_image()), ("12.9", "Amazon Linux 2", "12.4")),
    ("nccl-cuda", recipe(NvidiaCuda(version="12.9"), NvidiaNccl()), ("13.0", "12.9")),
    ("nccl-gpu", recipe(NvidiaNccl(instances=("p5",)), instances=("p5", "p4d")), ("built for p5", "p4d", "sm_80")),
    ("nccl-gpu", recipe(NvidiaNccl(), instances=("p3",)), ("CUDA 13.0", "p3", "sm_70")),
    ("nccl-gpu", recipe(NvidiaNccl(instances=("p3dn",))), ("CUDA 13.0", "p3dn")),
    ("dcgm-cuda", recipe(NvidiaDriver(version="570.86.15"), NvidiaDcgm()), ("CUDA 13", "570.86.15", "580")),
    ("dcgm-cuda", recipe(NvidiaDcgm(), instances=("p3",)), ("CUDA 13", "p3", "V100")),
    ("nccl-plugin", recipe(AwsEfa(), NvidiaNccl(version="2.16.5-1")), ("2.16.5-1", "EFA 1.50.0")),
    ("plugin-efa", recipe(AwsEfa(minimal=True), AwsOfiNccl()), ("aws_ofi_nccl", "minimal EFA")),
    (
        "gdrcopy-kernel",
        recipe(NvidiaGdrcopy(version="2.4"), source=al2023_image("6.18")),
        ("GDRCopy 2.4", "kernel 6.18", "2.5.2"),
    ),
    ("efa-system", recipe(AwsEfa(), source=amzn2_image()), ("1.50.0", "Amazon Linux 2", "1.49.0")),
    ("efa-older", recipe(AwsEfa(), source=pcluster_image(version="3.16.3")), ("1.50.0", "source image", "1.51.0")),
    ("lustre-kernel", recipe(AwsLustre(), source=al2023_image("7.1")), ("Lustre", "kernel 7.1", "6.12")),
    ("toolkit-system", recipe(Toolkit(version="1.19.1"), source=amzn2_image()), ("1.19.1", "Amazon Linux 2", "zstd")),
    ("docker-cdi", recipe(Docker(), Toolkit(cdi=True)), ("CDI", "1.20.0", "Docker 25", "26.1")),
    ("docker-cdi", recipe(Docker(), Toolkit(mode="cdi")), ("CDI",)),
    ("pyxis-slurm", recipe(NvidiaEnrootPyxis()), ("pyxis", "without Slurm")),
    (
        "pyxis-slurm",
        recipe(NvidiaEnrootPyxis(slurm="/opt/mine"), source=pcluster_image()),
        ("/opt/mine", "/opt/slurm"),
    ),
    ("neuron-inf1", recipe(NeuronDriver(), instances=("inf1",)), ("2.32.0", "inf1", "2.24")),
    ("torch-neuronx-ended", recipe(PytorchNeuron(torch_neuronx="2.9.1.0"), source=dlami_neuron_image()), ("2.9.1.0",)),
    ("task-platform", recipe(PytorchNeuron()), ("pytorch_neuron", "al2023", "torch-neuronx")),
    ("task-platform", recipe(NvidiaDriver(), source=amzn2_image("arm64")), ("nvidia_driver", "amzn2 (aarch64)")),
    ("os-ended", recipe(source=amzn2_image()), ("Amazon Linux 2", "2026-06-30")),
    ("parallelcluster-amzn2", recipe(source=pcluster_image("amzn2", "3.16.0")), ("3.16.0", "Amazon Linux 2", "3.15")),
    ("instance-architecture", recipe(instances=("g5g",)), ("g5g", "x86_64", "aarch64")),
    ("instance-unknown", recipe(instances=("p99",)), ("p99",)),
]


@pytest.mark.parametrize(("rule", "given", "named"), BREAKS, ids=[f"{rule}-{len(words)}" for rule, _, words in BREAKS])
def test_what_does_not_go_together_is_named_on_both_sides(rule: str, given: Recipe, named: tuple[str, ...]) -> None:
    message = broken(given)[rule]
    assert [word for word in named if word not in message] == []


def test_every_rule_is_broken_by_an_example_here_and_has_a_source_and_a_title() -> None:
    elsewhere = {"order", "os-ends-soon", "host-system"}
    assert {rule for rule, _, _ in BREAKS} | elsewhere == {rule.id for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert [rule.id for rule in RULES if not (rule.source and rule.title.endswith("."))] == []


def test_every_violation_says_what_to_do() -> None:
    assert [each.rule for _, given, _ in BREAKS for each in violations(given, today=TODAY) if not each.fix] == []


@pytest.mark.parametrize(
    "given",
    [
        recipe(PROPRIETARY, NvidiaCuda(version="12.9"), NvidiaDcgm(cuda=12), instances=("p3", "g5")),
        recipe(NvidiaDriver(), NvidiaDcgm(), instances=("p6-b300",)),
        recipe(NvidiaDriver(version="595.91.07"), NvidiaCuda(version="13.2"), instances=("g7", "p6-b300", "p5en")),
        recipe(NvidiaCuda(version="12.9"), NvidiaNccl(cuda="12.9"), instances=("p3", "p6-b300")),
        recipe(Packages(install=("nvidia-fabricmanager-580.159.03",)), NvidiaDriver()),
        recipe(NvidiaDriver(), OwnRepository(only=("cuda-toolkit*",))),
        recipe(NvidiaDriver(method="run", version="580.159.03"), OwnRepository()),
        recipe(NvidiaDriver(), NvidiaCuda(), NvidiaNccl(), source=ubuntu_image("ubuntu2404")),
        recipe(AwsEfa(version="1.49.0"), source=pcluster_image(version="3.16.0")),
        recipe(Docker(), Toolkit(), NvidiaEnrootPyxis(pyxis=False)),
        recipe(Docker(), Toolkit(cdi=True), source=ubuntu_image("ubuntu2404")),
        recipe(NvidiaEnrootPyxis(slurm="/opt/mine")),
        recipe(NvidiaEnrootPyxis(), source=pcluster_image()),
        recipe(NeuronDriver(inf1=True), source=al2023_image("6.18"), instances=("inf1", "m7i")),
        recipe(NeuronDriver(), PytorchNeuron(), source=dlami_neuron_image()),
        recipe(AwsLustre(), source=al2023_image("6.18")),
        recipe(AwsLustre(), source=al2023_image("7.1").model_copy(update={"ami": "ami-1"})),
        recipe(NvidiaDriver(), source=eks_image(), instances=("p5.48xlarge", "p5")),
    ],
)
def test_what_goes_together_is_let_through(given: Recipe) -> None:
    assert broken(given) == {}


@pytest.mark.parametrize(("kernel", "said"), [("6.8.0-1024-aws", False), ("6.8.0-1040-aws", True)])
def test_the_kernel_of_a_host_counts_for_lustre(kernel: str, said: bool) -> None:
    given = recipe(AwsLustre(), source=ubuntu_image("ubuntu2404"))
    host = replace(assumed(given.source), kernel=kernel)
    assert bool(violations(given, host, TODAY)) == said
    assert violations(given, today=TODAY) == ()


def test_a_host_of_another_system_is_pointed_out() -> None:
    host = assumed(ubuntu_image("ubuntu2404", "arm64"))
    (found,) = violations(recipe(), host, TODAY)
    assert (found.rule, found.fix) == ("host-system", "--os ubuntu2404 --arch arm64")


def test_tasks_out_of_order_are_named_with_the_reason() -> None:
    given = recipe(AwsEfa(), NvidiaDriver(), Packages())
    found = [each.message for each in violations(given, today=TODAY)]
    assert [message.partition(":")[0] for message in found] == [
        "nvidia_driver before packages",
        "aws_efa before packages",
        "aws_efa before nvidia_driver",
    ]
    assert "efa-nv-peermem" in found[2]


def test_the_order_that_is_wanted_is_that_of_the_registry() -> None:
    names = registry.names()
    for before, after, _ in ORDER:
        if before in names and after in names:
            assert names.index(before) < names.index(after), (before, after)


def test_ubuntu_2204_ends_soon_when_it_does() -> None:
    given = recipe(source=ubuntu_image("ubuntu2204"))
    assert list(broken(given)) == ["os-ends-soon"]
    assert broken(given, date(2026, 6, 1)) == {}
    assert list(broken(given, date(2027, 12, 1))) == ["os-ended"]


@pytest.mark.parametrize("name", recipes.names())
def test_our_recipes_break_no_rule_on_any_of_their_systems(name: str) -> None:
    whole = recipes.find(name)
    for source in whole.sources:
        here = whole.on(source.os, source.architecture)
        assert broken(here).keys() <= {"os-ended", "os-ends-soon"}, source
        for each in VERSION_SETS:
            fits = not each.instances or here.platforms[0][1] == "x86_64"
            if source.os in each.systems and fits:
                assert broken(here.with_versions(each.name)).keys() <= {"os-ended", "os-ends-soon"}, (source, each.name)


def test_other_packages_add_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(facts: Facts) -> Iterator[Conflict]:
        yield Conflict(f"Acme and {facts.source.os}: never", "another")

    found = [SimpleNamespace(value="acme:RULE", load=lambda: Rule("acme", "Never.", "error", "Acme", never))]
    monkeypatch.setattr("amiforge.recipes.compatibility.entry_points", lambda **_: found)
    assert broken(recipe()) == {"acme": "Acme and al2023: never"}
    found[0].load = lambda: "no rule"
    with pytest.raises(RecipeError, match="entry point acme:RULE is no Rule"):
        broken(recipe())


def test_all_errors_are_told_at_once_with_the_way_around_them() -> None:
    given = recipe(NvidiaDriver(version="595.91.07"), NvidiaCuda(), instances=("p3",))
    with pytest.raises(CompatibilityError, match="r on al2023 x86_64 breaks 3 compatibility rules") as caught:
        require(given)
    assert caught.value.exit_status == 5
    text = caught.value.block()
    assert "--allow driver-too-new --allow kernel-modules --allow cuda-gpu" in text
    assert "NVIDIA driver installation guide" in text


def test_what_is_allowed_is_a_warning_and_the_rest_is_still_refused() -> None:
    given = recipe(NvidiaDriver(version="595.91.07"), instances=("p3",), allow=("kernel-modules",))
    with pytest.raises(CompatibilityError) as caught:
        require(given)
    assert list(caught.value.lines) == ["driver-too-new", "go_on_anyway"]
    allowed = given.model_copy(update={"allow": ("kernel-modules", "driver-too-new")})
    assert {each.severity for each in require(allowed)} == {"warning"}


def test_a_rule_that_does_not_exist_cannot_be_allowed() -> None:
    with pytest.raises(ConfigError, match="no compatibility rule 'kernel-module'") as caught:
        require(recipe(allow=("kernel-module",)))
    assert caught.value.lines["fix"] == "did you mean kernel-modules?"
