"""NVIDIA data-centre driver, persistence daemon, fabric manager, and what NVLink needs besides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from amiforge.errors import RecipeError
from amiforge.resources import (
    File,
    KernelModule,
    PackageHold,
    Packages,
    RebootIfNeeded,
    Repository,
    Run,
    Service,
)
from amiforge.tasks.parts.cuda_repository import cuda_repository
from amiforge.tasks.parts.driver_checks import boot_checks, live_checks, module_checks, nvlsm_checks, package_checks
from amiforge.tasks.parts.driver_module import DOWNLOADS, Flavour, build_tools, built, run_file
from amiforge.tasks.parts.driver_packages import DriverPackages, Foreign, driver_packages, foreign, held
from amiforge.tasks.parts.gpu_service import skipped_without
from amiforge.tasks.platform import platforms
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

_AMZN2 = "https://amazonlinux-2-repos-us-east-1.s3.dualstack.us-east-1.amazonaws.com/2/amzn2-nvidia/latest/$basearch"

# The subnet manager itself has no branch and no match with the driver; the rest is how it reaches the switches.
_NVLSM = {
    "al2023": ("nvlsm", "libibumad", "infiniband-diags"),
    "ubuntu2204": ("nvlsm", "libibumad3", "infiniband-diags"),
    "ubuntu2404": ("nvlsm", "libibumad3", "infiniband-diags"),
}
_NVLSM_MODULES = {"al2023": ("ib_umad",), "ubuntu2204": ("ib_umad", "mlx5_ib"), "ubuntu2404": ("ib_umad", "mlx5_ib")}

_PERSISTENCED = "/etc/systemd/system/nvidia-persistenced.service"


class NvidiaDriver(Task):
    """NVIDIA driver with matching fabric manager and persistence daemon, for the kernel the image boots.

    A source image that has exactly this version is left as it is; a driver of another version, flavour or way of
    installing is removed first, as are those that EKS and ECS images keep aside to choose from at boot. No GPU is
    needed to build; services are skipped at boot where their device is missing, so that one image serves every GPU
    family. Fabric manager refuses to work with a driver that differs from it in the last digit, so everything comes
    from one repository at one version: Amazon's own on Amazon Linux, NVIDIA's on Ubuntu. Fractional GPUs (G6f, Gr6f)
    need the GRID driver, which this is not.
    Source: NVIDIA driver installation guide; Fabric Manager user guide; aws/amazon-ecs-ami and awslabs/amazon-eks-ami.
    """

    platforms = platforms("al2023", "ubuntu2204", "ubuntu2404") | platforms("amzn2", arch=("x86_64",))

    version: str = Field(
        "580.159.03",
        pattern=r"^\d{3}\.\d+(\.\d+)?$",
        description="driver version; fabric manager and IMEX get the same",
    )
    kernel_modules: Flavour = Field(
        "open",
        description="open ones for everything from Turing on; proprietary up to 580 for P3, G3 and Amazon Linux 2",
    )
    method: Literal["packages", "run"] = Field(
        "packages", description="the repository's packages, or NVIDIA's own .run installer for modules and libraries"
    )
    fabric_manager: bool = Field(
        True, description="install fabric manager; P4, P5 and P6 do not work without. None for arm64, which needs none"
    )
    nvlsm: bool = Field(
        True, description="install the NVLink subnet manager, which fabric manager needs on P6-B200 and P6-B300"
    )
    imex: bool = Field(
        True, description="install IMEX, for memory shared between P6e-GB200 instances; not started: its peers differ"
    )
    persistence: bool = Field(True, description="keep GPUs initialised by the persistence daemon")
    hold: bool = Field(
        True, description="keep later updates from moving driver packages apart; on Ubuntu NVIDIA's pinning always does"
    )
    allow_reboot: bool = Field(True, description="reboot where nouveau is loaded, which the driver cannot replace")

    def require(self, system: System) -> None:
        """Refuse open modules where the repository has none.

        Raises:
            RecipeError: the system, or the flavour of modules on it, has no driver.
        """
        super().require(system)
        if system.os.name == "amzn2" and self.method == "packages" and self.kernel_modules == "open":
            raise RecipeError(
                f"the NVIDIA repository of {system.os.title} has no open kernel modules",
                fix="--set nvidia_driver.kernel_modules=proprietary, or --set nvidia_driver.method=run",
            )

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the tools, the driver by the chosen way, what must fit to it, its services, and the hold."""
        wanted = self._wanted(system)
        yield KernelModule("nouveau", blacklist=True, options={"modeset": "0"})
        if self.allow_reboot:
            yield RebootIfNeeded()
        yield _repository(system)
        yield from build_tools(system)
        yield from self._before_services(system)
        yield Run(
            "remove other NVIDIA drivers",
            self._foreign(system).clear,
            proof=self._foreign(system).none,
            locks=system.os.packages.locks,
        )
        if wanted and self._names(system).pinning:
            yield Packages((self._names(system).pinning,))
        if wanted:
            yield Packages(dict.fromkeys(wanted, self.version), weak=False)
        if self.method == "packages":
            yield built(self.version, self.kernel_modules)
        else:
            yield from run_file(self.version, self.kernel_modules, system)
        if self._has_nvlsm(system):
            yield from _nvlsm(system, hold=self.hold)
        for unit, enabled in self._services(system).items():
            yield Service(f"{unit}.service", running=None, enabled=enabled)
        if self.hold and wanted and held(system):
            yield PackageHold(held(system))

    def software(self, system: System) -> Iterator[Software]:
        """Give the driver, and what comes with it."""
        source = _source(system)
        yield Software("NVIDIA driver", self.version, DOWNLOADS if self.method == "run" else source, "version")
        if self._has_fabric_manager(system):
            yield Software("NVIDIA Fabric Manager", self.version, source, "version")
        if self._has_nvlsm(system):
            yield Software("NVIDIA NVLSM", "", source, "nvlsm")
        if self._has_imex(system):
            yield Software("NVIDIA IMEX", self.version, source, "version")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove module, flavour, userland and services; with a GPU also that the driver answers."""
        yield from module_checks(host, system.default_kernel, self.version, self.kernel_modules)
        yield from package_checks(host, system, self.version, self._wanted(system), self._foreign(system).packages)
        yield from boot_checks(host, self._services(system))
        if self._has_nvlsm(system):
            yield from nvlsm_checks(host)
        yield from live_checks(
            host, self.version, persistence=self.persistence, fabric_manager=self._has_fabric_manager(system)
        )

    def _names(self, system: System) -> DriverPackages:
        return driver_packages(system, self.version, self.kernel_modules)

    def _wanted(self, system: System) -> tuple[str, ...]:
        """Give the packages that must have the driver's version."""
        names = self._names(system)
        driver = names.driver if self.method == "packages" else ()
        persistenced = (names.persistenced,) if self.persistence and driver else ()
        fabric_manager = (names.fabric_manager,) if self._has_fabric_manager(system) else ()
        imex = (names.imex,) if self._has_imex(system) else ()
        return (*driver, *persistenced, *fabric_manager, *imex)

    def _foreign(self, system: System) -> Foreign:
        return foreign(system, self.version, self._names(system) if self.method == "packages" else None)

    def _has_fabric_manager(self, system: System) -> bool:
        return self.fabric_manager and system.arch == "x86_64"

    def _has_nvlsm(self, system: System) -> bool:
        return self.nvlsm and self._has_fabric_manager(system) and system.os.name in _NVLSM

    def _has_imex(self, system: System) -> bool:
        return self.imex and bool(self._names(system).imex)

    def _before_services(self, system: System) -> Iterator[Resource]:
        """Give what decides whether services start, and the unit that only the .run file lacks."""
        yield from skipped_without({"nvidia-persistenced": "gpu", "nvidia-fabricmanager": "nvswitch"}, system)
        if self.method == "run":
            yield File(_PERSISTENCED, source="nvidia_driver/nvidia-persistenced.service")
        else:
            yield File(_PERSISTENCED, present=False)

    def _services(self, system: System) -> dict[str, bool]:
        """Give the services, and whether they start at boot. IMEX waits for the addresses of its peers."""
        services = {"nvidia-persistenced": self.persistence}
        if system.arch == "x86_64":
            services["nvidia-fabricmanager"] = self.fabric_manager
        return services | ({"nvidia-imex": False} if self._has_imex(system) else {})


def _repository(system: System) -> Resource:
    if system.os.name == "al2023":
        return Packages(("nvidia-release",))
    if system.os.name == "amzn2":
        return Repository(
            "amzn2-nvidia",
            f"{_AMZN2}/mirror.list",
            key_url="https://developer.download.nvidia.com/compute/cuda/repos/rhel7/x86_64/7fa2af80.pub",
            key_fingerprint="AE09FE4BBD223A84B2CCFCE3F60F4B3D7FA2AF80",
            settings={"exclude": "libglvnd-*"},
            preferred=True,
            mirror_list=True,
        )
    return cuda_repository(system)


def _source(system: System) -> str:
    return {"al2023": "Amazon Linux 2023 NVIDIA repository", "amzn2": "Amazon Linux 2 NVIDIA repository"}.get(
        system.os.name, f"developer.download.nvidia.com/compute/cuda/repos/{system.os.name}"
    )


def _nvlsm(system: System, *, hold: bool) -> Iterator[Resource]:
    """Give the subnet manager and the modules it works through, which are loaded for it."""
    yield Packages(_NVLSM[system.os.name], weak=False)
    extra = system.os.kernel.packages(system.kernel).modules_extra if system.kernel else ()
    if extra:
        yield Packages(extra)
    if extra and hold:
        # They belong to the kernel, which may be held already.
        yield PackageHold(tuple(f"{package.name}*" for package in extra))
    for module in _NVLSM_MODULES[system.os.name]:
        yield KernelModule(module, load_at_boot=True)
