"""NVIDIA driver: GPUs, module flavours, fabric manager, repositories."""

from __future__ import annotations

import re
from collections.abc import Iterator

from amiforge.recipes.compatibility.carried import carried
from amiforge.recipes.compatibility.facts import Facts, numbers
from amiforge.recipes.compatibility.rule import Conflict, Rule
from amiforge.tasks.aws_efa import AwsEfa
from amiforge.tasks.nvidia_driver import NvidiaDriver
from amiforge.tasks.packages import Packages

_FABRIC_MANAGER = re.compile(r"nvidia-fabric-?manager(?:-\d{3})?[-=](\d{3}\.[\d.]+\d)")
_DRIVER_REPOSITORY = re.compile(r"developer\.download\.nvidia\.(com|cn)/compute/cuda/repos/|/amzn2-nvidia/")
_BRANCHES_END = {535: "2026-06", 580: "2028-06", 595: "2027-03", 610: "2026-08"}


def _gpu_unknown_to_driver(facts: Facts) -> Iterator[Conflict]:
    for driver, family in facts.with_families(NvidiaDriver):
        if numbers(driver.version) < numbers(family.oldest_driver):
            yield Conflict(
                f"NVIDIA driver {driver.version} and {family.name}: the driver does not know {family.device}, which"
                f" came with {family.oldest_driver}",
                f"--set nvidia_driver.version={family.oldest_driver} or newer, or an image without {family.name}",
            )


def _gpu_left_behind(facts: Facts) -> Iterator[Conflict]:
    for driver, family in facts.with_families(NvidiaDriver):
        if family.last_branch and numbers(driver.version)[0] > family.last_branch:
            yield Conflict(
                f"NVIDIA driver {driver.version} and {family.name}: {family.device} is supported up to branch"
                f" {family.last_branch}",
                f"a driver of branch {family.last_branch}, or an image without {family.name}",
            )


def _flavour(facts: Facts) -> Iterator[Conflict]:
    for driver, family in facts.with_families(NvidiaDriver):
        if family.compute and driver.kernel_modules not in family.kernel_modules:
            wanted = " or ".join(family.kernel_modules)
            change = "" if wanted == "grid" else f"--set nvidia_driver.kernel_modules={wanted}, or "
            yield Conflict(
                f"{driver.kernel_modules} kernel modules and {family.name}: on {family.device} they install, and never"
                f" bind to the GPU; it takes {wanted} ones",
                f"{change}an image without {family.name}",
            )


def _companion_missing(facts: Facts) -> Iterator[Conflict]:
    for driver, family in facts.with_families(NvidiaDriver):
        for option, title, wanted, there in (
            ("fabric_manager", "fabric manager", family.fabric_manager, driver.fabric_manager),
            ("nvlsm", "the NVLink subnet manager", family.nvlsm, driver.nvlsm),
            ("imex", "IMEX", family.imex, driver.imex),
        ):
            if wanted and not there:
                yield Conflict(
                    f"nvidia_driver without {title} and {family.name}: GPUs of {family.device} instances do not work"
                    " together without it",
                    f"--set nvidia_driver.{option}=true",
                )


def _fabric_manager_differs(facts: Facts) -> Iterator[Conflict]:
    driver, packages = facts.task(NvidiaDriver), facts.task(Packages)
    version = driver.version if driver else carried(facts.source).driver
    whose = "NVIDIA driver" if driver else "the source image's NVIDIA driver"
    for package in packages.install if packages and version else ():
        found = _FABRIC_MANAGER.match(package)
        if found and found[1] != version:
            yield Conflict(
                f"package {package} and {whose} {version}: fabric manager refuses to work with a driver that is not"
                " exactly its own version",
                "leave it out of packages.install: nvidia_driver installs the one that fits",
            )


def _efa_on_gb200(facts: Facts) -> Iterator[Conflict]:
    driver, efa = facts.task(NvidiaDriver), facts.task(AwsEfa)
    if driver and efa and numbers(driver.version) >= (595,) and any(each.imex for each in facts.families):
        yield Conflict(
            f"NVIDIA driver {driver.version} and EFA on p6e-gb200: AWS knows of a problem with branch 595 there",
            "--versions gpu-stable",
        )


def _driver_of_system(facts: Facts) -> Iterator[Conflict]:
    driver = facts.task(NvidiaDriver)
    packaged = driver and driver.method == "packages"
    if driver and packaged and facts.system.os.name == "amzn2" and numbers(driver.version) > (550, 163, 1):
        yield Conflict(
            f"NVIDIA driver {driver.version} and Amazon Linux 2: its repository ends at 550.163.01",
            "--versions legacy-al2, or --os al2023",
        )


def _branch_ended(facts: Facts) -> Iterator[Conflict]:
    driver = facts.task(NvidiaDriver)
    branch = numbers(driver.version)[0] if driver else 0
    end = _BRANCHES_END.get(branch, "")
    if driver and end and end < f"{facts.today:%Y-%m}":
        yield Conflict(
            f"NVIDIA driver {driver.version} and today: its branch {branch} ended in {end}, and gets no more security"
            " fixes",
            "--versions gpu-stable, or --versions gpu-current",
        )


def _two_repositories(facts: Facts) -> Iterator[Conflict]:
    """Amazon's own repository on AL2023 comes as a package; every other one is a repository of some task."""
    open_ones = {
        f"{task}'s repository {repository.id}": repository.url
        for task, repository in facts.repositories
        if _DRIVER_REPOSITORY.search(repository.url) and not repository.only
    }
    driver = facts.task(NvidiaDriver)
    if driver and driver.method == "packages" and facts.system.os.name == "al2023":
        open_ones["Amazon's NVIDIA repository"] = "nvidia-release"
    if len(set(open_ones.values())) > 1:
        yield Conflict(
            f"{' and '.join(open_ones)}: each has the driver's packages in its own versions and splits, and updates"
            " would mix them",
            "name the packages that each is there for in Repository(…, only=…)",
        )


_GUIDE = "NVIDIA driver installation guide"
_EKS = "awslabs/amazon-eks-ami"

RULES = (
    Rule(
        "driver-too-old",
        "The driver knows the GPUs of every instance family.",
        "error",
        f"{_GUIDE}; {_EKS}",
        _gpu_unknown_to_driver,
    ),
    Rule(
        "driver-too-new",
        "The driver still supports the GPUs of every instance family.",
        "error",
        "NVIDIA driver installation guide; Amazon EKS user guide, G7 instances",
        _gpu_left_behind,
    ),
    Rule(
        "kernel-modules",
        "The flavour of the kernel modules binds to the GPUs of every instance family.",
        "error",
        f"{_GUIDE}; {_EKS} issue 1697",
        _flavour,
    ),
    Rule(
        "driver-companions",
        "Instance families get the fabric manager, NVLink subnet manager and IMEX that their GPUs need.",
        "error",
        "NVIDIA Fabric Manager user guide; NVIDIA IMEX user guide",
        _companion_missing,
    ),
    Rule(
        "fabric-manager-version",
        "Fabric manager and driver have the same version.",
        "error",
        "NVIDIA Fabric Manager user guide",
        _fabric_manager_differs,
    ),
    Rule(
        "driver-gb200",
        "The driver and EFA have no known problem on GB200.",
        "warning",
        "Amazon EKS user guide, G7 instances",
        _efa_on_gb200,
    ),
    Rule(
        "driver-system",
        "The driver exists for the operating system.",
        "error",
        "aws/amazon-ecs-ami, release-al2",
        _driver_of_system,
    ),
    Rule(
        "driver-ended",
        "The driver's branch still gets security fixes.",
        "warning",
        "NVIDIA data centre driver releases",
        _branch_ended,
    ),
    Rule(
        "nvidia-repositories",
        "At most one repository may deliver the driver's packages.",
        "error",
        f"{_GUIDE}; NVIDIA CUDA installation guide",
        _two_repositories,
    ),
)
