"""CUDA, NCCL and GDRCopy: driver, GPUs, kernel, and each other."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.recipes.compatibility.carried import carried
from amiforge.recipes.compatibility.facts import Facts, families, numbers
from amiforge.recipes.compatibility.rule import Conflict, Rule
from amiforge.tasks.aws_efa import AwsEfa
from amiforge.tasks.aws_ofi_nccl import AwsOfiNccl
from amiforge.tasks.nvidia_cuda import NvidiaCuda
from amiforge.tasks.nvidia_dcgm import NvidiaDcgm
from amiforge.tasks.nvidia_driver import NvidiaDriver
from amiforge.tasks.nvidia_gdrcopy import NvidiaGdrcopy
from amiforge.tasks.nvidia_nccl import NvidiaNccl
from amiforge.tasks.parts.gpu_architectures import compiles, release

#: First driver branch for each major version of CUDA; within one, every minor version works.
_BRANCH = {11: 450, 12: 525, 13: 580}


def _driver_too_old(facts: Facts) -> Iterator[Conflict]:
    cuda, driver = facts.task(NvidiaCuda), facts.task(NvidiaDriver)
    there = driver.version if driver else carried(facts.source).driver
    for version in (cuda.version, *cuda.also) if cuda and there else ():
        needed = _BRANCH.get(release(version)[0], 0)
        if numbers(there)[0] < needed:
            yield Conflict(
                f"CUDA {version} and NVIDIA driver {there}: CUDA {release(version)[0]} needs a driver of branch"
                f" {needed} or newer",
                "--versions gpu-stable, or an older CUDA: 12.9 is the last one before 13",
            )


def _gpu_without_code(facts: Facts) -> Iterator[Conflict]:
    for cuda, family in facts.with_families(NvidiaCuda):
        if family.compute and not compiles(cuda.version, family.compute):
            yield Conflict(
                f"CUDA {cuda.version} and {family.name}: it makes no code for {family.device}, which is"
                f" sm_{family.compute}",
                f"--set nvidia_cuda.version=12.9, which has all from Volta to Blackwell, or an image without"
                f" {family.name}",
            )


def _cuda_of_system(facts: Facts) -> Iterator[Conflict]:
    cuda = facts.task(NvidiaCuda)
    for version in (cuda.version, *cuda.also) if cuda and facts.system.os.name == "amzn2" else ():
        if release(version) > (12, 4):
            yield Conflict(
                f"CUDA {version} and Amazon Linux 2: 12.4 is the last one packaged for it",
                "--versions legacy-al2, or --os al2023",
            )


def _nccl_of_other_cuda(facts: Facts) -> Iterator[Conflict]:
    cuda, nccl = facts.task(NvidiaCuda), facts.task(NvidiaNccl)
    if cuda and nccl and release(nccl.cuda) not in map(release, (cuda.version, *cuda.also)):
        yield Conflict(
            f"NCCL for CUDA {nccl.cuda} and CUDA {cuda.version}: it is built with a toolkit that is not there",
            f"--set nvidia_nccl.cuda={'.'.join(map(str, release(cuda.version)))}",
        )


def _nccl_without_family(facts: Facts) -> Iterator[Conflict]:
    nccl = facts.task(NvidiaNccl)
    if not nccl:
        return
    built_for = families(nccl.instances)
    for family in facts.families if nccl.instances else ():
        if family.compute and family.compute not in {each.compute for each in built_for}:
            yield Conflict(
                f"NCCL built for {', '.join(nccl.instances)} and {family.name}: no code for sm_{family.compute}",
                f"add {family.name} to nvidia_nccl.instances, or leave that empty for all",
            )
    for family in (*built_for, *(facts.families if not nccl.instances else ())):
        if family.compute and not compiles(nccl.cuda, family.compute):
            yield Conflict(
                f"NCCL with CUDA {nccl.cuda} and {family.name}: this CUDA makes no code for sm_{family.compute}",
                f"--set nvidia_nccl.cuda=12.9, or an image without {family.name}",
            )


def _nccl_and_plugin(facts: Facts) -> Iterator[Conflict]:
    nccl, efa = facts.task(NvidiaNccl), facts.task(AwsEfa)
    if nccl and efa and numbers(nccl.version) < (2, 17, 1):
        yield Conflict(
            f"NCCL {nccl.version} and the plugin of EFA {efa.version}: aws-ofi-nccl supports 2.17.1 and newer",
            "--set nvidia_nccl.version=2.30.7-1",
        )


def _minimal_efa(facts: Facts) -> Iterator[Conflict]:
    efa, plugin = facts.task(AwsEfa), facts.task(AwsOfiNccl)
    if efa and efa.minimal and plugin:
        yield Conflict(
            f"aws_ofi_nccl and a minimal EFA {efa.version}: it leaves out libfabric and the plugin",
            "--set aws_efa.minimal=false, or a recipe without aws_ofi_nccl",
        )


def _gdrcopy_of_kernel(facts: Facts) -> Iterator[Conflict]:
    gdrcopy = facts.task(NvidiaGdrcopy)
    if gdrcopy and numbers(facts.kernel)[:2] >= (6, 15) and numbers(gdrcopy.version) < (2, 5, 2):
        yield Conflict(
            f"GDRCopy {gdrcopy.version} and kernel {facts.kernel}: from kernel 6.15 on its module needs 2.5.2",
            "--set nvidia_gdrcopy.version=2.5.2, or a source image with kernel 6.12",
        )


def _dcgm_of_other_cuda(facts: Facts) -> Iterator[Conflict]:
    dcgm, driver = facts.task(NvidiaDcgm), facts.task(NvidiaDriver)
    there = driver.version if driver else carried(facts.source).driver
    if dcgm and there and numbers(there)[0] < _BRANCH[dcgm.cuda]:
        yield Conflict(
            f"DCGM for CUDA {dcgm.cuda} and NVIDIA driver {there}: CUDA {dcgm.cuda} needs a driver of branch"
            f" {_BRANCH[dcgm.cuda]} or newer",
            "--set nvidia_dcgm.cuda=12",
        )
    for each, family in facts.with_families(NvidiaDcgm):
        if family.compute and not compiles(f"{each.cuda}.9", family.compute):
            yield Conflict(
                f"DCGM for CUDA {each.cuda} and {family.name}: its diagnostics have no code for {family.device}",
                f"--set nvidia_dcgm.cuda=12, or an image without {family.name}",
            )


_TABLES = "NVIDIA CUDA compatibility guide, minor version compatibility"

RULES = (
    Rule("cuda-driver", "The driver is new enough for CUDA.", "error", _TABLES, _driver_too_old),
    Rule(
        "cuda-gpu",
        "CUDA makes code for the GPUs of every instance family.",
        "error",
        "CUDA toolkit release notes; NVIDIA/nccl makefiles/common.mk",
        _gpu_without_code,
    ),
    Rule(
        "cuda-system",
        "CUDA exists for the operating system.",
        "error",
        "NVIDIA CUDA installation guide; aws/amazon-ecs-ami",
        _cuda_of_system,
    ),
    Rule(
        "nccl-cuda",
        "NCCL is for a CUDA that is on the image.",
        "error",
        "NVIDIA NCCL installation guide",
        _nccl_of_other_cuda,
    ),
    Rule(
        "nccl-gpu",
        "NCCL and its tests have code for the GPUs of every instance family.",
        "error",
        "NVIDIA/nccl makefiles/common.mk",
        _nccl_without_family,
    ),
    Rule(
        "dcgm-cuda",
        "DCGM is for a CUDA that the driver and the GPUs of every instance family support.",
        "error",
        "NVIDIA DCGM user guide, Installation",
        _dcgm_of_other_cuda,
    ),
    Rule(
        "nccl-plugin",
        "The plugin for EFA supports NCCL.",
        "error",
        "aws/aws-ofi-nccl release notes",
        _nccl_and_plugin,
    ),
    Rule(
        "plugin-efa",
        "The plugin for EFA has the libfabric that it needs.",
        "error",
        "Amazon EC2 user guide, EFA",
        _minimal_efa,
    ),
    Rule(
        "gdrcopy-kernel",
        "GDRCopy's module builds for the kernel.",
        "error",
        "NVIDIA/gdrcopy CHANGELOG.md",
        _gdrcopy_of_kernel,
    ),
)
