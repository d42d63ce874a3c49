"""Operating systems, architectures and instances."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from types import MappingProxyType

from amiforge.errors import RecipeError
from amiforge.recipes.assumed import assumed
from amiforge.recipes.compatibility.carried import parallelcluster
from amiforge.recipes.compatibility.facts import Facts, numbers
from amiforge.recipes.compatibility.rule import Conflict, Rule
from amiforge.tasks.instance_family import find
from amiforge.tasks.platform import described, platform

_SOON = timedelta(days=182)
#: Families whose name says that they have an accelerator, known to us or not.
_ACCELERATED = re.compile(r"(p|g|gr|dl|inf|trn)\d")

#: Why a task does not exist on an operating system, where a vendor says it.
_REASONS = MappingProxyType(
    {
        ("pytorch_neuron", "al2023"): "AWS makes torch-neuronx for no Python that it has",
    }
)


def _task_elsewhere(facts: Facts) -> Iterator[Conflict]:
    here = platform(facts.system)
    for task in facts.tasks:
        try:
            task.require(facts.system)
        except RecipeError as error:
            reason = _REASONS.get((task.name(), here[0]), error.message)
            yield Conflict(f"{task.name()} and {described([here])}: {reason}", error.lines.get("fix", ""))


def _another_host(facts: Facts) -> Iterator[Conflict]:
    there, meant = facts.system, assumed(facts.source)
    if platform(there) != platform(meant):
        arch = "arm64" if there.arch == "aarch64" else there.arch
        yield Conflict(
            f"a host with {described([platform(there)])} and a recipe for {described([platform(meant)])}: tasks and"
            " versions are those of the latter",
            f"--os {there.os.name} --arch {arch}",
        )


def _ended(facts: Facts) -> Iterator[Conflict]:
    os = facts.system.os
    if os.end_of_life < facts.today:
        yield Conflict(
            f"{os.title} and today: its support ended on {os.end_of_life}, and there are no more security updates",
            "--os al2023",
        )


def _ends_soon(facts: Facts) -> Iterator[Conflict]:
    os = facts.system.os
    if facts.today <= os.end_of_life < facts.today + _SOON:
        yield Conflict(f"{os.title} and today: its standard support ends on {os.end_of_life}", "plan the next system")


def _parallelcluster_on_amzn2(facts: Facts) -> Iterator[Conflict]:
    release = parallelcluster(facts.source)
    if facts.source.os == "amzn2" and numbers(release) >= (3, 16):
        yield Conflict(
            f"ParallelCluster {release} and Amazon Linux 2: 3.15 was the last with images for it",
            "a source image of 3.15, or --os al2023",
        )


def _other_architecture(facts: Facts) -> Iterator[Conflict]:
    for family in facts.families:
        if family.arch != facts.system.arch:
            yield Conflict(
                f"instance family {family.name} and an image for {facts.system.arch}: its processors are {family.arch}",
                f"--arch {'arm64' if family.arch == 'aarch64' else family.arch}, or leave {family.name} out",
            )


def _unknown_family(facts: Facts) -> Iterator[Conflict]:
    for name in facts.instances:
        if not find(name) and _ACCELERATED.match(name):
            yield Conflict(
                f"instance family {name} and these rules: nothing is known of its devices, so nothing was checked",
                "name a family, as p5 or p6-b200",
            )


RULES = (
    Rule(
        "task-platform",
        "Every task exists for the operating system and architecture.",
        "error",
        "the task's own documentation",
        _task_elsewhere,
    ),
    Rule(
        "host-system",
        "A host that is planned for or applied to is what the recipe is for.",
        "warning",
        "the recipe's source image",
        _another_host,
    ),
    Rule("os-ended", "The operating system gets security updates.", "warning", "AWS; Canonical", _ended),
    Rule("os-ends-soon", "It still does in half a year.", "warning", "AWS; Canonical", _ends_soon),
    Rule(
        "parallelcluster-amzn2",
        "ParallelCluster has images for the operating system.",
        "error",
        "aws/aws-parallelcluster CHANGELOG, 3.16.0",
        _parallelcluster_on_amzn2,
    ),
    Rule(
        "instance-architecture",
        "Instance families have the image's architecture.",
        "error",
        "Amazon EC2 instance types",
        _other_architecture,
    ),
    Rule("instance-unknown", "Instance families are known.", "warning", "Amazon EC2 instance types", _unknown_family),
)
