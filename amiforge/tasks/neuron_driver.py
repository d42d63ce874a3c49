"""AWS Neuron: driver, collectives, runtime and tools for Inferentia and Trainium."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from pydantic import Field

from amiforge.errors import RecipeError
from amiforge.resources import File, PackageHold, Packages, Repository, Run, VendorInstall
from amiforge.shell import argv, script
from amiforge.systems.package_manager import PackageVersion
from amiforge.tasks.parts.extras import epel
from amiforge.tasks.platform import platforms
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

#: All Neuron devices: Inf1 is 7064 to 7067, Trn1 7164, Inf2 7264, Trn2 7364.
NEURON = "1d0f:7"

_KEY = "GPG-PUB-KEY-AMAZON-AWS-NEURON.PUB"
_FINGERPRINT = "00FA2C1079260870A76D2C285749CAD8646D9185"


class Sdk(NamedTuple):
    """The packages of a release of the Neuron SDK."""

    dkms: str
    collectives: str
    runtime_lib: str
    tools: str


#: Source: AWS Neuron documentation, release notes and setup of PyTorch. 2.19.1 is the last for Amazon Linux 2.
SDKS = {
    "2.32.0": Sdk("2.30.2.0", "2.34.10.0", "2.34.10.0", "2.32.28.0"),
    "2.19.1": Sdk("2.17.17.0", "2.21.46.0", "2.21.41.0", "2.18.3.0"),
}
_LAST_FOR_AMZN2 = "2.19.1"

#: The last driver that knows the first Inferentia. Source: Neuron documentation, announcement of 2026-03-12.
_INF1 = "2.24.13.0"

# The version in the repository has the hash of a commit behind it, after `_` in an rpm and `-` in a deb.
_RPM = """
observe() { rpm -q --qf '%{NAME} %{VERSION}\\n' -- "$@" | sed '/^package /d; s/_.*//'; }
remove() { rpm -e --nodeps -- "$@"; }
"""
_DEB = """
observe() {
  dpkg-query -W -f='${db:Status-Abbrev}${Package} ${Version}\\n' -- "$@" | sed -n 's/-[^ -]*$//; s/^.i //p'
}
remove() { dpkg --remove --force-depends -- "$@"; }
"""

_INSTALLED = """
observe "$@" 2>/dev/null | sort | tr '\\n' ' '
"""

# The driver's old package must be gone before the new one comes: going later, it would take the new module along.
_INSTALL = """
free=$1 install=$2; shift 2
eval "$free"
set -- $(observe "$@" 2>/dev/null | cut -d ' ' -f 1)
[ $# -eq 0 ] || remove "$@" || exit
eval "$install"
"""

# The driver's package calls update-pciids, which waits long for an internet that a builder may not have. For this
# transaction alone, a program that does nothing is in its place.
_WITHOUT_PCIIDS = """
if program=$(command -v update-pciids); then
  exec unshare --mount -- sh -c 'mount --bind -- /bin/true "$0" && exec sh -c "$@"' "$program" "$@"
fi
exec sh -c "$@"
"""

_MODULE_VERSION = "modinfo -k %s -F version neuron"


class NeuronDriver(Task):
    """Neuron driver, built for the kernel the image boots, with collectives, runtime library and tools.

    No Neuron device is needed to build. Sources: AWS Neuron documentation, setup of PyTorch; awslabs/amazon-eks-ami,
    install-neuron-driver.sh; aws/amazon-ecs-ami for what the driver's package does on installation.
    """

    platforms: ClassVar = platforms(arch=("x86_64",))

    sdk: Literal["2.32.0", "2.19.1"] = Field(
        "2.32.0", description="Neuron SDK, which says the version of every package; 2.19.1 for Amazon Linux 2"
    )
    inf1: bool = Field(False, description="the last driver for Inf1 instances, which newer ones do not support")
    hold: bool = Field(True, description="keep later updates from moving the packages apart")

    def require(self, system: System) -> None:
        """Refuse an SDK that has ended for the operating system."""
        super().require(system)
        if system.os.name == "amzn2" and self.sdk != _LAST_FOR_AMZN2:
            raise RecipeError(
                f"Neuron SDK {self.sdk} does not support {system.os.title}",
                fix=f"set neuron_driver.sdk={_LAST_FOR_AMZN2}",
            )

    @property
    def pins(self) -> dict[str, str]:
        """Every package and its version."""
        sdk = SDKS[self.sdk]
        return {
            "aws-neuronx-collectives": sdk.collectives,
            "aws-neuronx-dkms": _INF1 if self.inf1 else sdk.dkms,
            "aws-neuronx-runtime-lib": sdk.runtime_lib,
            "aws-neuronx-tools": sdk.tools,
        }

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the headers, the repository, the packages, the module for the default kernel, and the hold."""
        kernel, version = system.default_kernel, self.pins["aws-neuronx-dkms"]
        yield from epel(system)
        yield Packages(("dkms",))
        if kernel:
            yield Packages(system.os.kernel.packages(kernel).build)
        yield _repository(system)
        yield self._packages(system)
        yield Run(
            f"build neuron {version} for {kernel}",
            argv("dkms", "install", "-m", "aws-neuronx", "-v", version, "-k", kernel, "--force"),
            proof=script('[ "$(modinfo -k "$1" -F version neuron)" = "$2" ]', kernel, version),
        )
        yield File("/etc/profile.d/neuron.sh", source="neuron_driver/neuron.sh")
        if self.hold:
            yield PackageHold(("aws-neuronx-*",))

    def _packages(self, system: System) -> Resource:
        """Give the packages by an installer of our own: a version is known without the hash that ends it."""
        manager = system.os.packages
        functions = _DEB if manager.name == "apt" else _RPM
        if manager.name == "apt":
            install = manager.install([PackageVersion(*pin) for pin in self.pins.items()])
        else:
            install = argv(manager.name, "-y", "install", "--", *(f"{name}-{pin}*" for name, pin in self.pins.items()))
        words = (functions + _INSTALL, "sh", manager.unhold(tuple(self.pins)).text(), install.text(), *self.pins)
        return VendorInstall(
            "Neuron",
            " ".join(f"{name} {pin}" for name, pin in sorted(self.pins.items())),
            observe=script(functions + _INSTALLED, *self.pins),
            install=script(_WITHOUT_PCIIDS, *words, summary=str(install)),
            locks=manager.locks,
        )

    def software(self, system: System) -> Iterator[Software]:
        """Give every package."""
        source = (
            "apt.repos.neuron.amazonaws.com" if system.os.packages.name == "apt" else "yum.repos.neuron.amazonaws.com"
        )
        for name, version in self.pins.items():
            yield Software(name, version, source, option="inf1" if self.inf1 and name == "aws-neuronx-dkms" else "sdk")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove the module for the kernel the image boots, and the packages; with a device that the driver answers."""
        kernel, version = system.default_kernel, self.pins["aws-neuronx-dkms"]
        yield Check(
            f"kernel module neuron for {kernel} is {version}",
            version,
            lambda: host.check_output(_MODULE_VERSION, kernel),
        )
        yield Check(
            f"DKMS has module neuron for {kernel}",
            True,
            lambda: "installed" in host.check_output("dkms status -m aws-neuronx -k %s", kernel),
        )
        for name in ("neuron-ls", "neuron-top"):
            yield Check(f"{name} is on the path", 0, partial(_found_at_login, host, name))
        yield Check("a Neuron device is up", True, lambda: bool(host.file("/dev/neuron0").exists), device=NEURON)
        yield Check("neuron-ls answers", 0, lambda: int(host.run("/opt/aws/neuron/bin/neuron-ls").rc), device=NEURON)


def _found_at_login(host: TestinfraHost, program: str) -> int:
    return int(host.run("sh -lc %s sh %s", 'command -v -- "$1"', program).rc)


def _repository(system: System) -> Repository:
    if system.os.packages.name == "apt":
        site = "https://apt.repos.neuron.amazonaws.com"
        return Repository("neuron", site, f"{site}/{_KEY}", _FINGERPRINT, components="main")
    site = "https://yum.repos.neuron.amazonaws.com"
    return Repository("neuron", site, f"{site}/{_KEY}", _FINGERPRINT, settings={"metadata_expire": "0"})
