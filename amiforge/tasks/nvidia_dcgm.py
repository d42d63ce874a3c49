"""NVIDIA Data Center GPU Manager, and on request its metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from amiforge.resources import File, PackageHold, Packages, Service
from amiforge.tasks.parts.cuda_repository import cuda_repository
from amiforge.tasks.parts.gpu_service import skipped_without
from amiforge.tasks.parts.installed import installed_version
from amiforge.tasks.parts.pci import NVIDIA
from amiforge.tasks.parts.stray_packages import no_strays, stray_packages
from amiforge.tasks.platform import platforms
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

_NAME = "datacenter-gpu-manager"
_EXPORTER = f"{_NAME}-exporter"
_METRICS = "curl -fsS --max-time 10 http://localhost:9400/metrics | grep -c '^DCGM_FI_'"


class NvidiaDcgm(Task):
    """Data Center GPU Manager: health, diagnostics and telemetry of GPUs, as a service that waits for a GPU.

    Nothing runs while the image is made; at boot the services start where a GPU is, and are skipped elsewhere. The
    exporter is NVIDIA's package of the program that its container holds, so that a node needs neither Docker nor a
    registry to be watched.
    Source: NVIDIA DCGM user guide, "Installation"; NVIDIA/dcgm-exporter; aws/amazon-ecs-ami.
    """

    platforms = platforms("al2023", "ubuntu2204", "ubuntu2404")

    version: str = Field("4.6.1", pattern=r"^4\.\d+\.\d+$", description="DCGM version")
    cuda: Literal[12, 13] = Field(
        13, description="CUDA major version that the driver is made for: 13 from branch 580 on, 12 before; and for V100"
    )
    exporter: bool = Field(False, description="offer metrics to Prometheus on port 9400 of every address")
    exporter_version: str = Field("4.8.2", pattern=r"^4\.\d+\.\d+$", description="version of the exporter's package")
    hold: bool = Field(True, description="keep later updates from moving DCGM, whose packages must stay together")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the repository, the packages without those of other versions, the services, and the hold."""
        yield cuda_repository(system)
        yield from skipped_without(dict.fromkeys(self._services, "gpu"), system)
        yield File("/etc/systemd/system/nvidia-dcgm.service.d/20-order.conf", source="nvidia_dcgm/order.conf")
        yield no_strays("remove other versions of DCGM", system, *self._strays)
        yield Packages(dict.fromkeys(self._packages, self.version), weak=False)
        if self.exporter:
            yield Packages({_EXPORTER: self.exporter_version}, weak=False)
        for unit in self._services:
            yield Service(f"{unit}.service", running=None, enabled=True)
        if self.hold:
            yield PackageHold((f"{_NAME}*",))

    def software(self, system: System) -> Iterator[Software]:
        """Give DCGM and the exporter."""
        source = cuda_repository(system).url.removeprefix("https://").rstrip("/")
        yield Software("NVIDIA DCGM", self.version, source, "version")
        if self.exporter:
            yield Software("NVIDIA DCGM exporter", self.exporter_version, source, "exporter_version")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove packages and services; with a GPU also that it is seen."""
        wanted = dict.fromkeys(self._packages, self.version)
        for name, version in (wanted | ({_EXPORTER: self.exporter_version} if self.exporter else {})).items():
            yield Check(f"package {name} is {version}", version, partial(installed_version, host, system, name))
        others = stray_packages(system, *self._strays).text()
        yield Check("no other version of DCGM is here", [], lambda: host.check_output(others).splitlines())
        for unit in self._services:
            yield Check(f"service {unit} is enabled", True, partial(_is_enabled, host, unit))
            yield Check(f"service {unit} runs", True, partial(_runs, host, unit), NVIDIA)
        yield Check("dcgmi finds a GPU", 0, lambda: host.run("dcgmi discovery -l | grep -q 'GPU ID'").rc, NVIDIA)
        if self.exporter:
            yield Check("the exporter has metrics", 0, lambda: host.run(_METRICS).rc, NVIDIA)

    @property
    def _packages(self) -> tuple[str, ...]:
        """Give the packages: the engine, and its diagnostics for one CUDA version, open and not."""
        parts = ("core", f"cuda{self.cuda}", "proprietary", f"proprietary-cuda{self.cuda}")
        return tuple(f"{_NAME}-4-{part}" for part in parts)

    @property
    def _strays(self) -> tuple[str, str, str]:
        """Give what may not be there: DCGM 4 of other versions, and DCGM 3, which has a name without a number."""
        return self.version, f"{_NAME}-4-*", _NAME

    @property
    def _services(self) -> tuple[str, ...]:
        return ("nvidia-dcgm", "nvidia-dcgm-exporter") if self.exporter else ("nvidia-dcgm",)


def _is_enabled(host: TestinfraHost, unit: str) -> bool:
    return bool(host.service(unit).is_enabled)


def _runs(host: TestinfraHost, unit: str) -> bool:
    return bool(host.service(unit).is_running)
