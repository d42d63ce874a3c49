"""PyTorch for AWS Neuron, in a virtual environment of its own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pydantic import Field

from amiforge.engine.download import Download
from amiforge.resources import Directory, File, Packages, VendorInstall
from amiforge.shell import script
from amiforge.tasks.neuron_driver import NEURON
from amiforge.tasks.parts.extras import topic
from amiforge.tasks.platform import platforms
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

_INDEX = "https://pip.repos.neuron.amazonaws.com"

#: Inside the environment: what pip had installed when it was done.
FREEZE = "amiforge-freeze.txt"


class _Python(NamedTuple):
    """A Python that torch-neuronx has builds for."""

    program: str
    packages: tuple[str, ...]


# Ubuntu 22.04 and Amazon Linux 2023 have none among their packages that a current torch-neuronx supports.
_BY_OS = {
    "ubuntu2404": _Python("python3.12", ("python3.12-venv", "g++")),
    "amzn2": _Python("python3.8", ("python38", "gcc-c++")),
}

# What the record of the finished installation says, as far as it is still there.
_INSTALLED = rf"""
venv=$1; shift
for name do
  version=$(sed -n "s/^$name==//p" "$venv/{FREEZE}") && [ -n "$version" ] || exit
  set -- "$venv"/lib/python3*/site-packages/"$(printf %s "$name" | tr - _)-$version.dist-info"
  [ -d "$1" ] || exit
  printf '%s==%s ' "$name" "$version"
done
"""

# A half-made environment is made anew. The record comes last, so it stands for a whole one.
_INSTALL = rf"""
program=$1 venv=$2 owner=$3 option=$4 index=$5; shift 5
rm -rf -- "$venv" && "$program" -m venv -- "$venv" || exit
"$venv/bin/pip" --disable-pip-version-check install --no-input --no-cache-dir \
  "--$option" "$index" -- "$@" || exit
"$venv/bin/pip" --disable-pip-version-check freeze >"$venv/{FREEZE}" && chmod -R go+rX -- "$venv" &&
  chown -R "$owner" -- "$venv"
"""


class PytorchNeuron(Task):
    """torch-neuronx and the Neuron compiler, in an environment that belongs to the login user and everybody can use.

    Neuron's release 2.31 was the last with torch-neuronx; its packages run with newer drivers. On Amazon Linux 2 the
    last are torch-neuronx 2.1.2.2.2.0 with neuronx-cc 2.14.227.0.
    Source: AWS Neuron documentation, setup of PyTorch.
    """

    platforms: ClassVar = platforms(*_BY_OS, arch=("x86_64",))

    torch_neuronx: str = Field(
        "2.9.0.2.15.32035",
        pattern=r"^\d+(\.\d+){3,}$",
        description="exact version of torch-neuronx; torch comes with it",
    )
    neuronx_cc: str = Field("2.27.5334.0", pattern=r"^\d+(\.\d+){2,}$", description="exact version of the compiler")

    @property
    def venv(self) -> str:
        """Where the environment is: named as on AWS's Deep Learning AMIs, `/opt/aws_neuronx_venv_pytorch_2_9`."""
        major, minor, *_ = self.torch_neuronx.split(".")
        return f"/opt/aws_neuronx_venv_pytorch_{major}_{minor}"

    @property
    def _pins(self) -> dict[str, str]:
        return {"neuronx-cc": self.neuronx_cc, "torch-neuronx": self.torch_neuronx}

    def resources(self, system: System) -> Iterator[Resource]:
        """Give Python, and the environment."""
        python = _BY_OS[system.os.name]
        owner = system.user or system.os.default_user
        # Beside Neuron's index, pip asks its own for what torch-neuronx needs. A mirror's has to offer that, too.
        option = "index-url" if system.mirror else "extra-index-url"
        specs = tuple(f"{name}=={version}" for name, version in self._pins.items())
        if system.os.name == "amzn2":
            yield topic("python3.8", system)
        yield Packages(python.packages)
        yield VendorInstall(
            "PyTorch for Neuron",
            " ".join(specs),
            observe=script(_INSTALLED, self.venv, *self._pins),
            install=script(
                _INSTALL,
                python.program,
                self.venv,
                f"{owner}:",
                option,
                system.mirrored(_INDEX),
                *specs,
                summary=f"pip install {' '.join(specs)}",
            ),
            fetches=(Download("index", _INDEX),),
            timeout=7200,
        )
        yield Directory(self.venv, owner=owner, group=owner)
        # What its users install later comes from the same places.
        index = f"[global]\n{option} = {system.mirrored(_INDEX)}\n"
        yield File(f"{self.venv}/pip.conf", index, owner=owner, group=owner)

    def software(self, system: System) -> Iterator[Software]:
        """Give both packages."""
        for name, version in self._pins.items():
            yield Software(name, version, _INDEX.removeprefix("https://"), option=name.replace("-", "_"))

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove the versions, and that everybody can use the environment; with a device that it is imported."""
        python = f"{self.venv}/bin/python"
        for name, version in self._pins.items():
            yield Check(f"{self.venv} has {name} {version}", version, partial(_version, host, python, name))
        owner = system.user or system.os.default_user
        yield Check(f"{self.venv} belongs to {owner}", owner, lambda: host.file(self.venv).user)
        yield Check(
            "torch_neuronx can be imported",
            0,
            lambda: host.run("%s -c 'import torch_neuronx'", python).rc,
            device=NEURON,
        )


def _version(host: TestinfraHost, python: str, name: str) -> str:
    text = "import importlib.metadata as found, sys; print(found.version(sys.argv[1]))"
    return str(host.check_output("%s -c %s %s", python, text, name))
