"""NVIDIA data-centre driver, persistence daemon and fabric manager."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from amiforge.resources import (
    Artifact,
    File,
    KernelModule,
    PackageHold,
    Packages,
    RebootIfNeeded,
    Run,
    Service,
    VendorInstall,
)
from amiforge.shell import argv, script
from amiforge.tasks.installed import installed_version
from amiforge.tasks.task import Check, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

NVIDIA = "10de"

_WORKSPACE = "/var/cache/amiforge/nvidia"
_HAS_PCI = "/usr/local/libexec/amiforge/has-pci"
_MODULE_VERSION = "modinfo -k %s -F version nvidia"

# The module that the next boot will find, for that boot's kernel; nothing when there is none.
_BOOT_MODULE = 'kernel=$(grubby --default-kernel) && modinfo -k "${kernel##*/vmlinuz-}" -F version nvidia'

_BUILD = 'kernel=$(grubby --default-kernel) && dkms install -m nvidia -v "$1" -k "${kernel##*/vmlinuz-}"'


class NvidiaDriver(Task):
    """NVIDIA driver with matching fabric manager and persistence daemon, for the kernel the image boots.

    A source image that has exactly this version is left as it is. No GPU is needed to build; the services are skipped
    at boot where their device is not there, so that one image serves every GPU family. Fabric manager refuses to work
    with a driver that differs from it in the last digit, so everything comes from one repository at one version.
    Source: NVIDIA driver installation guide; aws/amazon-ecs-ami and awslabs/amazon-eks-ami for the packages.
    """

    version: str = Field(
        "580.159.03", pattern=r"^\d{3}\.\d+(\.\d+)?$", description="driver version; fabric manager gets the same"
    )
    kernel_modules: Literal["open", "proprietary"] = Field(
        "open", description="open modules for everything from Turing on; proprietary up to 580 for P3 and G3"
    )
    method: Literal["packages", "run"] = Field(
        "packages", description="Amazon's NVIDIA packages, or NVIDIA's own .run installer (driver alone)"
    )
    fabric_manager: bool = Field(True, description="install fabric manager; P4, P5 and P6 do not work without")
    persistence: bool = Field(True, description="keep GPUs initialised by the persistence daemon")
    hold: bool = Field(True, description="keep later updates from moving driver packages apart")
    allow_reboot: bool = Field(True, description="reboot where nouveau is loaded, which the driver cannot replace")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the headers, the driver by the chosen way, its services, and the hold."""
        yield KernelModule("nouveau", blacklist=True)
        if self.allow_reboot:
            yield RebootIfNeeded()
        yield Packages(("dkms",))
        if system.kernel:
            yield Packages(system.os.kernel.packages(system.kernel).build)
        yield from self._packages() if self.method == "packages" else self._run_file(system)
        yield from self._services()
        if self.hold and self.method == "packages":
            yield PackageHold(("nvidia*", "kmod-nvidia*", "libnvidia*"))

    def _packages(self) -> Iterator[Resource]:
        yield Packages(("nvidia-release",))
        module = "kmod-nvidia-open-dkms" if self.kernel_modules == "open" else "kmod-nvidia-latest-dkms"
        names = [module, "nvidia-driver", "nvidia-driver-cuda"]
        names += ["nvidia-persistenced"] if self.persistence else []
        names += ["nvidia-fabricmanager"] if self.fabric_manager else []
        yield Packages(dict.fromkeys(names, self.version))
        yield Run(
            f"build nvidia {self.version} for the default kernel",
            script(_BUILD, self.version, summary=f"dkms install nvidia/{self.version} for the default kernel"),
            proof=script(f'[ "$({_BOOT_MODULE})" = "$1" ]', self.version),
        )

    def _run_file(self, system: System) -> Iterator[Resource]:
        url = f"https://us.download.nvidia.com/tesla/{self.version}/NVIDIA-Linux-{system.arch}-{self.version}.run"
        kind = "kernel-open" if self.kernel_modules == "open" else "kernel"
        path = f"{_WORKSPACE}/{self.version}.run"
        yield VendorInstall(
            "NVIDIA driver",
            self.version,
            observe=_BOOT_MODULE,
            sources=(Artifact(url, path),),
            install=argv("sh", path, "--silent", "--dkms", "--disable-nouveau", f"-m={kind}"),
            workspace=_WORKSPACE,
        )

    def _services(self) -> Iterator[Resource]:
        if self.method == "run":
            return
        yield File(_HAS_PCI, source="nvidia_driver/has-pci", mode="0755")
        wanted = {"nvidia-persistenced": self.persistence, "nvidia-fabricmanager": self.fabric_manager}
        for unit in (unit for unit, want in wanted.items() if want):
            folder = f"/etc/systemd/system/{unit}.service.d"
            yield File(f"{folder}/10-device.conf", source=f"nvidia_driver/{unit.removeprefix('nvidia-')}.conf")
            yield Service(f"{unit}.service", running=None, enabled=True)

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove module, flavour and userland; with a GPU also that the driver answers."""
        kernel = system.default_kernel
        licence = "Dual MIT/GPL" if self.kernel_modules == "open" else "NVIDIA"
        yield Check(
            f"kernel module nvidia for {kernel} is {self.version}",
            self.version,
            lambda: host.check_output(_MODULE_VERSION, kernel),
        )
        yield Check(
            f"kernel module nvidia is the {self.kernel_modules} one",
            licence,
            lambda: host.check_output("modinfo -k %s -F license nvidia", kernel),
        )
        yield Check("every DKMS module is installed", [], lambda: _not_installed(host.check_output("dkms status")))
        if self.method == "packages":
            yield from self._package_checks(host, system)
        yield Check(
            f"the loaded driver is {self.version}",
            self.version,
            lambda: host.check_output("cat /sys/module/nvidia/version"),
            device=NVIDIA,
        )
        yield Check("nvidia-smi answers", 0, lambda: host.run("nvidia-smi").rc, device=NVIDIA)

    def _package_checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        services = ["nvidia-persistenced"] if self.persistence else []
        services += ["nvidia-fabricmanager"] if self.fabric_manager else []
        for name in ("nvidia-driver-cuda", *services):
            version = partial(installed_version, host, system, name)
            yield Check(f"package {name} has the driver's version", self.version, version)
        for name in services:
            yield Check(f"service {name} is enabled", True, partial(_is_enabled, host, name))


def _is_enabled(host: TestinfraHost, service: str) -> bool:
    return bool(host.service(service).is_enabled)


def _not_installed(status: str) -> list[str]:
    """Give the lines of `dkms status` that tell of a module which is not installed."""
    return [line for line in status.splitlines() if line.strip() and "installed" not in line]
