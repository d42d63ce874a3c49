"""NVIDIA container toolkit: GPUs in containers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from amiforge.resources import File, JsonKeys, PackageHold, Packages, Repository, Run, Service
from amiforge.shell import argv, script
from amiforge.tasks.docker import DAEMON_JSON
from amiforge.tasks.parts.gpu_service import skipped_without
from amiforge.tasks.parts.installed import installed_version
from amiforge.tasks.parts.pci import NVIDIA
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

_PACKAGES = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)

_HOST = "https://nvidia.github.io/libnvidia-container"
_FINGERPRINT = "C95B321B61E88C1809C4F759DDCAE044F796ECB0"
# As NVIDIA's instructions have it. apt refuses to work where two files name other keys for one repository.
_OTHER_LIST = "/etc/apt/sources.list.d/nvidia-container-toolkit.list"
_DEB_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}

#: Older ones let a container out (CVE-2025-23266, CVE-2025-23267).
_FLOOR = (1, 17, 8)

_CONFIG = "/etc/nvidia-container-runtime/config.toml"
_DROP_IN = "/etc/containerd/conf.d/99-nvidia.toml"

# A runtime's section of the toolkit's own configuration, up to the next one.
_MODE = rf"""
found=$(sed -n '/^\[nvidia-container-runtime\]/,/^\[/s/^ *mode *= *"\(.*\)"/\1/p' {_CONFIG}) &&
  [ "$found" = "$1" ]
"""
_CONTAINERD = rf"""
grep -q '^imports *=.*/etc/containerd/conf.d/' /etc/containerd/config.toml &&
  grep -q nvidia-container-runtime {_DROP_IN} || exit
[ "$1" = false ] || grep -q '^ *default_runtime_name *= *"nvidia"' {_DROP_IN}
"""


def _secure(version: str) -> str:
    if tuple(int(number) for number in re.findall(r"\d+", version)[:3]) < _FLOOR:
        raise ValueError(
            f"{version} lets containers take over the host (CVE-2025-23266, CVE-2025-23267); use 1.17.8 or later"
        )
    return version


class NvidiaContainerToolkit(Task):
    """NVIDIA container toolkit, and the runtimes that use it.

    All four packages come from NVIDIA's own repository at one version, wherever else they can be had: mixed versions
    fail when a container starts. Docker gets the runtime `nvidia` as single keys of its daemon.json; containerd by
    `nvidia-ctk`, as a file that its configuration imports. The specification of GPUs for CDI is made at every boot, and
    where there is no GPU not at all. It is the successor of nvidia-docker2.
    Source: NVIDIA container toolkit documentation, installation guide and release notes.
    """

    version: Annotated[str, AfterValidator(_secure)] = Field(
        "1.20.0", pattern=r"^\d+\.\d+\.\d+$", description="version of all four packages, from 1.17.8 on"
    )
    runtimes: tuple[Literal["docker", "containerd"], ...] = Field(
        ("docker",), description="which container runtimes to configure; they must be installed before"
    )
    default_runtime: bool = Field(
        False, description="containers get the NVIDIA runtime without asking for it; false leaves what is there"
    )
    mode: Literal["auto", "legacy", "cdi"] = Field(
        "auto", description="how GPUs get into a container; auto is CDI, made as the container starts, from 1.18 on"
    )
    cdi: bool = Field(
        False, description="Docker takes CDI devices itself; Docker 25 reads no specification since 1.19.1"
    )
    hold: bool = Field(True, description="keep later updates from moving the packages apart")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the repository, the packages, the runtimes' configuration, and what skips the service without a GPU."""
        if system.os.packages.name == "apt":
            yield File(_OTHER_LIST, present=False)
        yield self._repository(system)
        yield from skipped_without({"nvidia-cdi-refresh": "gpu"}, system)
        yield Packages(dict.fromkeys(_PACKAGES, self.version))
        if self.hold:
            yield PackageHold(_PACKAGES)
        set_mode = f"nvidia-container-runtime.mode={self.mode}"
        yield Run(
            f"set the NVIDIA runtime's mode to {self.mode}",
            argv("nvidia-ctk", "config", f"--config-file={_CONFIG}", "--in-place", "--set", set_mode),
            proof=script(_MODE, self.mode),
            job=False,
        )
        if "docker" in self.runtimes:
            yield JsonKeys(DAEMON_JSON, self._docker_keys())
            yield Service("docker", restart_after=(DAEMON_JSON,))
        if "containerd" in self.runtimes:
            yield from self._containerd()

    def software(self, system: System) -> Iterator[Software]:
        """Give the toolkit."""
        yield Software("NVIDIA container toolkit", self.version, _HOST.removeprefix("https://"), "version")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove versions and configuration; with a GPU also that the toolkit finds it."""
        for name in _PACKAGES:
            found = partial(installed_version, host, system, name)
            yield Check(f"package {name} has version {self.version}", self.version, found)
        yield Check(
            "nvidia-ctk says its version", True, lambda: self.version in host.check_output("nvidia-ctk --version")
        )
        if "docker" in self.runtimes:
            yield Check("Docker knows the runtime nvidia", "nvidia-container-runtime", partial(_docker_runtime, host))
        if "containerd" in self.runtimes:
            yield Check("containerd knows the runtime nvidia", True, lambda: host.file(_DROP_IN).exists)
        yield Check(
            "nvidia-cdi-refresh has not failed",
            False,
            lambda: host.run("systemctl is-failed nvidia-cdi-refresh").rc == 0,
        )
        yield Check(
            "the toolkit finds the GPUs", 0, lambda: host.run("sudo nvidia-container-cli info").rc, device=NVIDIA
        )
        yield Check(
            "there is a CDI specification", True, lambda: host.file("/var/run/cdi/nvidia.yaml").exists, device=NVIDIA
        )

    def _repository(self, system: System) -> Repository:
        """Give NVIDIA's repository: on Debian's side of the world one flat folder, elsewhere with a signed index.

        NVIDIA's own .repo file leaves packages unchecked. They are signed all the same, by this key, from 1.17.8 on
        (NVIDIA/nvidia-container-toolkit#116), also where other repositories with other keys carry them.
        The packages are in Amazon's and the CUDA repositories too; with dnf and yum the versions here win. With apt the
        exact version and the hold decide.
        """
        deb = system.os.packages.name == "apt"
        return Repository(
            "nvidia-container-toolkit",
            f"{_HOST}/stable/deb/{_DEB_ARCH[system.arch]}" if deb else f"{_HOST}/stable/rpm/{system.arch}",
            key_url=f"{_HOST}/gpgkey",
            key_fingerprint=_FINGERPRINT,
            suites="/" if deb else "",
            only=() if deb else _PACKAGES,
            preferred=not deb,
            signed_index=not deb,
        )

    def _docker_keys(self) -> dict[str, Any]:
        """Give the keys as `nvidia-ctk runtime configure` writes them."""
        keys: dict[str, Any] = {
            "/runtimes/nvidia/args": [],
            "/runtimes/nvidia/path": "nvidia-container-runtime",
        }
        if self.default_runtime:
            keys["/default-runtime"] = "nvidia"
        if self.cdi:
            keys["/features/cdi"] = True
        return keys

    def _containerd(self) -> Iterator[Resource]:
        """Leave TOML to NVIDIA's own program."""
        default = str(self.default_runtime).lower()
        yield Run(
            "configure containerd for the NVIDIA runtime",
            argv("nvidia-ctk", "runtime", "configure", "--runtime=containerd", f"--set-as-default={default}"),
            proof=script(_CONTAINERD, default),
            job=False,
        )
        yield Service("containerd", restart_after=("/etc/containerd/config.toml", _DROP_IN))


def _docker_runtime(host: TestinfraHost) -> object:
    return json.loads(host.file(DAEMON_JSON).content_string)["runtimes"]["nvidia"]["path"]
