"""Neuron driver and PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from amiforge.recipes.compatibility.facts import Facts, numbers
from amiforge.recipes.compatibility.rule import Conflict, Rule
from amiforge.tasks.neuron_driver import NeuronDriver
from amiforge.tasks.pytorch_neuron import PytorchNeuron

_LAST_TORCH = "2.9.0.2.15.32035"
_LAST_TORCH_AMZN2 = "2.1.2.2.2.0"

#: Kernels that AWS tests the driver with.
_TESTED = MappingProxyType(
    {"al2023": ("6.1", "6.18"), "amzn2": ("5.10",), "ubuntu2204": ("6.8",), "ubuntu2404": ("6.17",)}
)


def _first_inferentia(facts: Facts) -> Iterator[Conflict]:
    driver = facts.task(NeuronDriver)
    if driver and not driver.inf1 and any(family.name == "inf1" for family in facts.families):
        yield Conflict(
            f"the Neuron driver of SDK {driver.sdk} and inf1: drivers after 2.24 do not know the first Inferentia",
            "--set neuron_driver.inf1=true, or an image without inf1",
        )


def _torch_ended(facts: Facts) -> Iterator[Conflict]:
    torch = facts.task(PytorchNeuron)
    if not torch:
        return
    amzn2 = facts.system.os.name == "amzn2"
    last = _LAST_TORCH_AMZN2 if amzn2 else _LAST_TORCH
    if numbers(torch.torch_neuronx) > numbers(last):
        where = "Amazon Linux 2" if amzn2 else "Neuron SDK 2.32"
        yield Conflict(
            f"torch-neuronx {torch.torch_neuronx} and {where}: the last one is {last}",
            f"--set pytorch_neuron.torch_neuronx={last}" + (", or --versions legacy-al2" if amzn2 else ""),
        )


def _kernel_untested(facts: Facts) -> Iterator[Conflict]:
    driver, line = facts.task(NeuronDriver), ".".join(map(str, numbers(facts.kernel)[:2]))
    tested = _TESTED.get(facts.system.os.name, ())
    if driver and line and line not in tested:
        yield Conflict(
            f"the Neuron driver of SDK {driver.sdk} and kernel {line}: AWS tests it with {' and '.join(tested)} on"
            f" {facts.system.os.title}",
            f"a source image with kernel {tested[-1]}" if tested else "another operating system",
        )


RULES = (
    Rule(
        "neuron-inf1",
        "The Neuron driver knows the instance families.",
        "error",
        "AWS Neuron documentation, announcement of 2026-03-12",
        _first_inferentia,
    ),
    Rule(
        "neuron-kernel",
        "The Neuron driver is tested with the kernel.",
        "warning",
        "AWS Neuron documentation, release notes of aws-neuronx-dkms",
        _kernel_untested,
    ),
    Rule(
        "torch-neuronx-ended",
        "torch-neuronx exists in that version.",
        "error",
        "AWS Neuron documentation, release notes of 2.31 and 2.19",
        _torch_ended,
    ),
)
