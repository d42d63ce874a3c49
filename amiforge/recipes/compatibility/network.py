"""EFA and Lustre."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.recipes.compatibility.carried import carried
from amiforge.recipes.compatibility.facts import Facts, numbers
from amiforge.recipes.compatibility.rule import Conflict, Rule
from amiforge.tasks.aws_efa import AwsEfa
from amiforge.tasks.aws_lustre import COVERED, AwsLustre, covered

_LAST_FOR_AMZN2 = "1.49.0"


def _efa_of_system(facts: Facts) -> Iterator[Conflict]:
    efa = facts.task(AwsEfa)
    if efa and facts.system.os.name == "amzn2" and numbers(efa.version) > numbers(_LAST_FOR_AMZN2):
        yield Conflict(
            f"EFA installer {efa.version} and Amazon Linux 2: {_LAST_FOR_AMZN2} is the last one that supports it",
            f"--set aws_efa.version={_LAST_FOR_AMZN2}, or --versions legacy-al2",
        )


def _efa_goes_back(facts: Facts) -> Iterator[Conflict]:
    efa, there = facts.task(AwsEfa), carried(facts.source).efa
    if efa and numbers(there) > numbers(efa.version):
        yield Conflict(
            f"EFA installer {efa.version} and the source image: it brings {there}, and would go back",
            f"--set aws_efa.version={there}, or another source image",
        )


def _lustre_of_kernel(facts: Facts) -> Iterator[Conflict]:
    os, kernel = facts.system.os, facts.kernel
    if not facts.task(AwsLustre) or not kernel:
        return
    whole = bool(facts.system.kernel)
    if not (covered(os.name, kernel) if whole else kernel in COVERED.get(os.name, {})):
        known = ", ".join(COVERED.get(os.name, {})) or "none"
        yield Conflict(
            f"the Lustre client and kernel {kernel}: there are no modules for it; of {os.title}'s kernels, those of"
            f" {known} are covered, as far as FSx's table says",
            "a source image with such a kernel: Amazon Linux 2023's 6.12, Ubuntu's linux-aws-lts",
        )


RULES = (
    Rule(
        "efa-system",
        "The EFA installer supports the operating system.",
        "error",
        "Amazon EC2 user guide, EFA changelog",
        _efa_of_system,
    ),
    Rule(
        "efa-older",
        "The source image does not bring a newer EFA.",
        "warning",
        "aws/aws-parallelcluster CHANGELOG",
        _efa_goes_back,
    ),
    Rule(
        "lustre-kernel",
        "The Lustre client has modules for the kernel.",
        "warning",
        "Amazon FSx for Lustre user guide, Installing the Lustre client",
        _lustre_of_kernel,
    ),
)
