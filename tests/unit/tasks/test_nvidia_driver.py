"""The NVIDIA driver: what it is called where, what goes before what, and what may not stay beside it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

import amiforge
from amiforge.engine.plan import lay_out
from amiforge.errors import RecipeError
from amiforge.resources import File, Packages, Repository, Run, VendorInstall
from amiforge.shell import Command
from amiforge.systems import by_name
from amiforge.systems.system import Arch, System
from amiforge.tasks.nvidia_driver import NvidiaDriver
from amiforge.tasks.parts.driver_checks import _FABRIC, _GPUS, _not_installed
from amiforge.tasks.parts.driver_packages import driver_packages, foreign

KERNELS = {
    "al2023": "6.12.110-135.202.amzn2023.x86_64",
    "amzn2": "5.10.235-227.919.amzn2.x86_64",
    "ubuntu2204": "6.8.0-1024-aws",
    "ubuntu2404": "6.8.0-1024-aws",
}
FILES = Path(amiforge.__file__).parent / "files/nvidia_driver"


def system(name: str, arch: Arch = "x86_64", kernel: str = "") -> System:
    release = kernel or KERNELS[name]
    return System(os=by_name(name), arch=arch, kernel=release, default_kernel=release)


def driver(name: str, **options: object) -> NvidiaDriver:
    frozen = {"version": "550.163.01", "kernel_modules": "proprietary"} if name == "amzn2" else {}
    return NvidiaDriver.model_validate({**frozen, **options})


def names(task: NvidiaDriver, there: System) -> list[str]:
    return [item.resource.name for item in lay_out([task], there)]


def versions(task: NvidiaDriver, there: System) -> dict[str, object]:
    """Give what is wanted of every package that has to have a version."""
    found = [item.resource for item in lay_out([task], there) if isinstance(item.resource, Packages)]
    return {name: wanted for each in found for name, wanted in each.desired(there).items() if wanted != "installed"}


def run(command: Command, tmp_path: Path, programs: dict[str, str], **moved: str) -> subprocess.CompletedProcess[str]:
    """Run a command's text by a real sh, with programs of ours in place of the system's, and folders elsewhere."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    text = command.script
    for old, new in moved.items():
        text = text.replace(old.replace("_", "/"), new)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(tmp_path / "log")}
    words = ["sh", "-c", text, "sh", *map(str, command.args)]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    ("name", "version", "flavour", "wanted"),
    [
        ("al2023", "580.159.03", "open", "kmod-nvidia-open-dkms nvidia-driver nvidia-driver-cuda"),
        ("al2023", "580.159.03", "proprietary", "kmod-nvidia-latest-dkms nvidia-driver nvidia-driver-cuda"),
        ("ubuntu2404", "580.159.03", "open", "nvidia-open-580 nvidia-dkms-580-open libnvidia-compute-580"),
        ("ubuntu2204", "580.159.03", "proprietary", "cuda-drivers-580 nvidia-dkms-580 libnvidia-compute-580"),
        ("ubuntu2404", "595.91.07", "open", "nvidia-open nvidia-dkms-open libnvidia-compute"),
        ("ubuntu2404", "595.91.07", "proprietary", "cuda-drivers nvidia-dkms libnvidia-compute"),
    ],
)
def test_driver_packages_are_called_as_the_repository_calls_them(
    name: str, version: str, flavour: str, wanted: str
) -> None:
    assert driver_packages(system(name), version, flavour).driver == tuple(wanted.split())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "version", "fabric_manager", "imex"),
    [
        ("al2023", "580.159.03", "nvidia-fabricmanager", "nvidia-imex"),
        ("ubuntu2404", "575.57.08", "nvidia-fabricmanager-575", "nvidia-imex-575"),
        ("ubuntu2404", "580.159.03", "nvidia-fabricmanager", "nvidia-imex"),
        ("amzn2", "550.163.01", "nvidia-fabric-manager", ""),
    ],
)
def test_fabric_manager_and_imex_lose_their_branch_at_580(
    name: str, version: str, fabric_manager: str, imex: str
) -> None:
    found = driver_packages(system(name), version, "proprietary")
    assert (found.fabric_manager, found.imex) == (fabric_manager, imex)


@pytest.mark.parametrize("name", KERNELS)
def test_driver_and_fabric_manager_have_one_version_to_the_last_digit(name: str) -> None:
    task = driver(name)
    wanted = versions(task, system(name))
    assert any("fabric" in package for package in wanted)
    assert {version for package, version in wanted.items() if "nvidia" in package} == {task.version}


@pytest.mark.parametrize("name", KERNELS)
def test_nouveau_and_other_drivers_go_before_the_driver_comes(name: str) -> None:
    there = system(name)
    order = names(driver(name), there)
    fabric_manager = driver_packages(there, driver(name).version, "proprietary").fabric_manager
    [whole] = [each for each in order if each.startswith("packages") and fabric_manager in each]
    assert order[:2] == ["kernel module nouveau", "reboot if needed"]
    assert order.index("run remove other NVIDIA drivers") < order.index(whole)
    assert order.index(whole) < order.index(f"run build nvidia {driver(name).version} for the default kernel")
    assert order.index("file /etc/systemd/system/nvidia-fabricmanager.service.d/10-device.conf") < order.index(whole)


@pytest.mark.parametrize("name", ["ubuntu2204", "ubuntu2404"])
def test_the_pin_is_there_before_apt_looks_for_the_driver_and_nothing_is_held_besides(name: str) -> None:
    order = names(driver(name), system(name))
    pin = order.index("packages nvidia-driver-pinning-580.159.03")
    assert pin < next(number for number, each in enumerate(order) if "nvidia-open-580" in each)
    assert [each for each in order if each.startswith("hold")] == [f"hold of linux-modules-extra-{KERNELS[name]}*"]


@pytest.mark.parametrize("name", ["al2023", "amzn2"])
def test_elsewhere_the_driver_is_held_but_nothing_that_others_install(name: str) -> None:
    [hold] = [each for each in names(driver(name), system(name)) if each.startswith("hold") and "modules" not in each]
    assert "nvidia-driver*" in hold
    assert "nvidia*" not in hold.removeprefix("hold of ").split(", ")
    assert not any(each.startswith("hold") for each in names(driver(name, hold=False), system(name)))


@pytest.mark.parametrize("name", ["al2023", "ubuntu2404"])
def test_arm64_gets_imex_but_no_fabric_manager_and_no_subnet_manager(name: str) -> None:
    order = " ".join(names(driver(name), system(name, "aarch64", KERNELS[name].replace("x86_64", "aarch64"))))
    assert "nvidia-imex" in order
    assert "packages nvlsm" not in order
    assert "service nvidia-fabricmanager" not in order


def test_b200_gets_its_subnet_manager_and_the_modules_that_reach_the_switches() -> None:
    order = names(driver("ubuntu2404"), system("ubuntu2404"))
    assert "packages nvlsm, libibumad3, infiniband-diags" in order
    assert "packages linux-modules-extra-6.8.0-1024-aws" in order
    assert {"kernel module ib_umad", "kernel module mlx5_ib"} <= set(order)
    without = " ".join(names(driver("ubuntu2404", nvlsm=False), system("ubuntu2404")))
    assert "nvlsm" not in without
    assert "ib_umad" not in without


def test_imex_is_there_but_does_not_start() -> None:
    there = system("al2023")
    [imex] = [
        item.resource for item in lay_out([driver("al2023")], there) if item.resource.name.endswith("imex.service")
    ]
    assert imex.desired(there)["enabled"] == "disabled"


def test_amazon_linux_2_has_proprietary_modules_only() -> None:
    with pytest.raises(RecipeError, match="no open kernel modules"):
        lay_out([NvidiaDriver(version="550.163.01")], system("amzn2"))
    assert lay_out([NvidiaDriver(version="550.163.01", method="run")], system("amzn2"))
    with pytest.raises(RecipeError, match="does not exist for amzn2"):
        lay_out([driver("amzn2")], system("amzn2", "aarch64"))


@pytest.mark.parametrize(("kernel", "needed"), [(KERNELS["amzn2"], True), ("4.14.355-280.664.amzn2.x86_64", False)])
def test_kernel_5_of_amazon_linux_2_gets_modules_of_its_own_compiler(kernel: str, needed: bool) -> None:
    order = names(driver("amzn2"), system("amzn2", kernel=kernel))
    assert ("packages gcc10" in order) is needed
    assert ("file /etc/dkms/nvidia.conf" in order) is needed
    assert "CC=/usr/bin/gcc10-cc" in (FILES / "amzn2/dkms.conf").read_text()


def test_systemd_of_amazon_linux_2_is_asked_for_a_file_and_others_for_a_program() -> None:
    def text(name: str) -> str:
        path = "/etc/systemd/system/nvidia-fabricmanager.service.d/10-device.conf"
        [file] = [i.resource for i in lay_out([driver(name)], system(name)) if i.resource.name == f"file {path}"]
        assert isinstance(file, File)
        return (FILES.parent / file.source).read_text()

    assert "ExecCondition" in text("al2023")
    assert "ExecCondition" not in text("amzn2")
    assert "ConditionPathExists=/run/amiforge/nvswitch" in text("amzn2")
    assert "/run/amiforge/nvswitch" in (FILES / "amzn2/devices-generator").read_text()


def test_repositories_are_amazons_on_amazon_linux_and_nvidias_with_its_key_on_ubuntu() -> None:
    assert "packages nvidia-release" in names(driver("al2023"), system("al2023"))
    for name, host in {"amzn2": "amazonlinux-2-repos", "ubuntu2404": "developer.download.nvidia.com"}.items():
        items = lay_out([driver(name)], system(name))
        [repository] = [item.resource for item in items if isinstance(item.resource, Repository)]
        assert host in repository.url
        assert len(repository.key_fingerprint) == 40


def test_the_run_file_brings_the_driver_and_packages_the_rest_at_its_version() -> None:
    there = system("al2023")
    task = driver("al2023", method="run")
    of_nvidia = {name: version for name, version in versions(task, there).items() if "nvidia" in name}
    assert of_nvidia == dict.fromkeys(["nvidia-fabricmanager", "nvidia-imex"], "580.159.03")
    order = names(task, there)
    assert order.index("run install the compiler that built the kernel") < order.index("install NVIDIA driver")
    assert "file /etc/systemd/system/nvidia-persistenced.service" in order
    [install] = [i.resource for i in lay_out([task], there) if isinstance(i.resource, VendorInstall)]
    assert str(install.install).endswith("--silent --dkms --disable-nouveau -m=kernel-open")
    assert install.workspace


@pytest.mark.parametrize("version", ["580", "latest", "580.159.03; rm -rf /", ""])
def test_a_driver_version_is_an_exact_one(version: str) -> None:
    with pytest.raises(ValidationError):
        NvidiaDriver(version=version)


def test_software_names_what_is_installed_and_the_option_that_decides() -> None:
    lines = {each.title: each for each in driver("ubuntu2404").software(system("ubuntu2404"))}
    assert lines["NVIDIA driver"].version == lines["NVIDIA Fabric Manager"].version == "580.159.03"
    assert lines["NVIDIA driver"].source == "developer.download.nvidia.com/compute/cuda/repos/ubuntu2404"
    assert lines["NVIDIA driver"].option == "version"
    assert [each.title for each in driver("amzn2", fabric_manager=False).software(system("amzn2"))] == ["NVIDIA driver"]


RPM = r"""
while [ "$1" != -- ]; do shift; done; shift
for pattern; do for row in $INSTALLED; do case ${row%=*} in $pattern) echo "${row%=*} ${row#*=}" ;; esac; done; done
"""
DPKG = r"""
while [ "$1" != -- ]; do shift; done; shift
for pattern; do for row in $INSTALLED; do case ${row%=*} in $pattern) echo "ii  ${row%=*} ${row#*=}" ;; esac; done; done
"""
LOGGED = {name: f'echo "{name} $*" >>"$LOG"' for name in ("dnf", "apt-get", "dkms", "systemctl")}


@pytest.mark.shell
@pytest.mark.parametrize(
    ("installed", "removed"),
    [
        ("nvidia-driver=580.159.03 kmod-nvidia-open-dkms=580.159.03 nvidia-container-toolkit=1.20.0", []),
        ("nvidia-driver=580.105.08 nvidia-fabric-manager=580.159.03", ["nvidia-driver"]),
        ("nvidia-driver=580.159.03 nvidia-fabricmanager=580.105.08", ["nvidia-fabricmanager"]),
        ("kmod-nvidia-latest-dkms=580.159.03 nvidia-driver=580.159.03", ["kmod-nvidia-latest-dkms"]),
    ],
)
def test_packages_of_other_versions_and_of_the_other_flavour_go(
    tmp_path: Path, installed: str, removed: list[str]
) -> None:
    there = system("al2023")
    others = foreign(there, "580.159.03", driver_packages(there, "580.159.03", "open"))
    moved = {"_var_lib_dkms": f"{tmp_path}/dkms", "_opt_nvidia": f"{tmp_path}/opt", "_usr_src": f"{tmp_path}/src"}
    programs = {**LOGGED, "rpm": f"INSTALLED='{installed}'{RPM}"}
    assert (run(others.none, tmp_path, programs, **moved).returncode != 0) is bool(removed)
    assert run(others.clear, tmp_path, programs, **moved).returncode == 0
    log = (tmp_path / "log").read_text() if (tmp_path / "log").exists() else ""
    taken = [line.partition(" remove -- ")[2].split() for line in log.splitlines() if " remove -- " in line]
    assert taken == ([removed] if removed else [])


@pytest.mark.shell
def test_on_ubuntu_a_driver_of_the_archive_and_an_older_pin_are_purged(tmp_path: Path) -> None:
    there = system("ubuntu2404")
    others = foreign(there, "595.91.07", driver_packages(there, "595.91.07", "open"))
    installed = (
        "nvidia-open=595.91.07-1ubuntu1 nvidia-driver-580-server-open=580.173.02-0ubuntu0.24.04.1"
        " nvidia-driver-pinning-580.159.03=580.159.03-1 linux-modules-nvidia-580-server-open-aws=6.8.0-1024.26"
        " nvidia-container-toolkit=1.20.0-1"
    )
    programs = {**LOGGED, "dpkg-query": f"INSTALLED='{installed}'{DPKG}", "apt-mark": ""}
    moved = {"_var_lib_dkms": f"{tmp_path}/dkms", "_opt_nvidia": f"{tmp_path}/opt"}
    assert run(others.none, tmp_path, programs, **moved).returncode != 0
    assert run(others.clear, tmp_path, programs, **moved).returncode == 0
    [purge] = [line for line in (tmp_path / "log").read_text().splitlines() if "purge" in line]
    assert purge.partition(" purge -- ")[2].split() == [
        "linux-modules-nvidia-580-server-open-aws",
        "nvidia-driver-580-server-open",
        "nvidia-driver-pinning-580.159.03",
    ]


@pytest.mark.shell
def test_what_dkms_or_a_unit_at_boot_would_put_over_the_driver_goes(tmp_path: Path) -> None:
    there = system("al2023")
    others = foreign(there, "580.159.03", driver_packages(there, "580.159.03", "open"))
    theirs = "dkms/gdrdrv/2.5.2 dkms/nvidia/580.105.08 src/nvidia-580.105.08 dkms-archive/nvidia-open opt/pb"
    for kept in f"{theirs} dkms/nvidia/580.159.03 dkms-archive/neuron opt/nvlsm".split():
        (tmp_path / kept).mkdir(parents=True)
    moved = {"_var_lib_dkms": f"{tmp_path}/dkms", "_opt_nvidia": f"{tmp_path}/opt", "_usr_src": f"{tmp_path}/src"}
    programs = {**LOGGED, "rpm": ""}
    assert run(others.none, tmp_path, programs, **moved).returncode != 0
    assert run(others.clear, tmp_path, programs, **moved).returncode == 0
    assert run(others.none, tmp_path, programs, **moved).returncode == 0
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*") if path.parent.name != "bin")
    assert left == ["dkms-archive/neuron", "dkms/gdrdrv", "dkms/nvidia", "opt/nvlsm"]
    log = (tmp_path / "log").read_text()
    assert "dkms remove -m nvidia -v 580.105.08 --all" in log
    assert "dkms remove -m gdrdrv -v 2.5.2 --all\ndkms add -m gdrdrv -v 2.5.2\n" in log
    assert "systemctl disable -q nvidia-kmod-load.service" in log


@pytest.mark.shell
@pytest.mark.parametrize(("method", "gone"), [("packages", True), ("run", False)])
def test_an_installation_by_the_run_file_goes_only_where_packages_come(tmp_path: Path, method: str, gone: bool) -> None:
    there = system("al2023")
    wanted = driver_packages(there, "580.159.03", "open") if method == "packages" else None
    others = foreign(there, "580.159.03", wanted)
    (tmp_path / "dkms/nvidia/580.159.03").mkdir(parents=True)
    programs = {**LOGGED, "rpm": "", "nvidia-uninstall": 'echo "uninstall $*" >>"$LOG"; rm "$0"'}
    moved = {"_usr_bin": f"{tmp_path}/bin", "_var_lib_dkms": f"{tmp_path}/dkms"}
    assert (run(others.none, tmp_path, programs, **moved).returncode != 0) is gone
    assert run(others.clear, tmp_path, programs, **moved).returncode == 0
    log = tmp_path / "log"
    assert ("uninstall --silent" in (log.read_text() if log.exists() else "")) is gone


@pytest.mark.shell
@pytest.mark.parametrize(
    ("version", "licence", "dependent", "done"),
    [
        ("580.159.03", "Dual MIT/GPL", "6.12.110", True),
        ("580.159.03", "Dual MIT/GPL", "6.12.103", False),
        ("580.159.03", "NVIDIA", "6.12.110", False),
        ("580.105.08", "Dual MIT/GPL", "6.12.110", False),
    ],
)
def test_modules_are_built_when_the_next_kernels_are_right_and_so_is_what_is_built_on_them(
    tmp_path: Path, version: str, licence: str, dependent: str, done: bool
) -> None:
    [build] = [
        item.resource
        for item in lay_out([driver("al2023")], system("al2023"))
        if isinstance(item.resource, Run) and "build" in item.resource.name
    ]
    (tmp_path / "dkms/efa-nv-peermem/1.2.3" / dependent).mkdir(parents=True)
    modinfo = f'[ "$2" = 6.12.110 ] || exit 1; case $4 in version) echo {version} ;; *) echo "{licence}" ;; esac'
    programs = {"modinfo": modinfo, "grubby": "echo /boot/vmlinuz-6.12.110"}
    assert isinstance(build.proof, Command)
    assert (run(build.proof, tmp_path, programs, _var_lib_dkms=f"{tmp_path}/dkms").returncode == 0) is done


@pytest.mark.shell
@pytest.mark.parametrize(
    ("configured", "compilers", "done"),
    [
        ("CONFIG_GCC_VERSION=140201\n", {"gcc": "echo 11", "gcc14-gcc": "echo 14"}, True),
        ("CONFIG_GCC_VERSION=140201\n", {"gcc": "echo 11"}, False),
        ("CONFIG_GCC_VERSION=110500\n", {"gcc": "echo 11"}, True),
        ("CONFIG_GCC_VERSION=120300\n", {"gcc": "echo 11", "gcc-12": "echo 12"}, True),
        ("CONFIG_CC_IS_CLANG=y\n", {"gcc": "echo 11"}, True),
    ],
)
def test_the_run_file_waits_for_the_compiler_that_built_the_kernel(
    tmp_path: Path, configured: str, compilers: dict[str, str], done: bool
) -> None:
    [compiler] = [
        item.resource
        for item in lay_out([driver("ubuntu2204", method="run")], system("ubuntu2204"))
        if isinstance(item.resource, Run) and "compiler" in item.resource.name
    ]
    (tmp_path / "config-6.8.0").write_text(configured)
    programs = {"grubby": "echo /boot/vmlinuz-6.8.0", **compilers}
    assert isinstance(compiler.proof, Command)
    moved = {"_boot_config": f"{tmp_path}/config"}
    assert (run(compiler.proof, tmp_path, programs, **moved).returncode == 0) is done


@pytest.mark.shell
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["10de:0302"], True),
        (["10de:0680"], False),
        (["15b3:0207"], True),
        (["15b3:0207", "2"], True),
        (["15b3:0207", "3"], False),
    ],
)
def test_has_pci_counts_functions_of_one_vendor_and_class(tmp_path: Path, wanted: list[str], found: bool) -> None:
    _devices(tmp_path)
    script = (FILES / "has-pci").read_text().replace("/sys/bus/pci/devices", str(tmp_path))
    done = subprocess.run(["sh", "-c", script, "has-pci", *wanted], check=False)
    assert (done.returncode == 0) is found


@pytest.mark.shell
def test_gpus_are_counted_on_the_bus(tmp_path: Path) -> None:
    _devices(tmp_path / "devices")
    counted = run(Command(_GPUS), tmp_path, {}, _sys_bus_pci_devices=f"{tmp_path}/devices")
    assert counted.stdout == "1\n"


@pytest.mark.shell
@pytest.mark.parametrize(("states", "found"), [("Completed Completed", "Completed"), ("Completed In_Progress", "")])
def test_the_fabric_is_joined_when_every_gpu_says_so(tmp_path: Path, states: str, found: str) -> None:
    one = "    Fabric\n        State   : {}\n        Status  : Success\n    Performance State : P0\n"
    gpus = "".join(one.format(state) for state in states.split())
    (tmp_path / "gpus").write_text(gpus)
    programs = {"nvidia-smi": f"cat {tmp_path}/gpus", "sleep": ""}
    said = run(Command(_FABRIC), tmp_path, programs).stdout.strip()
    assert said == found or (not found and "In_Progress" in said)


def _devices(folder: Path) -> None:
    kinds = [("10de", "030200"), ("15b3", "020700"), ("15b3", "020700"), ("1d0f", "020000")]
    for number, (vendor, kind) in enumerate(kinds):
        device = folder / f"0000:00:{number:02d}.0"
        device.mkdir(parents=True)
        (device / "vendor").write_text(f"0x{vendor}\n")
        (device / "class").write_text(f"0x{kind}\n")


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        ("nvidia/580.159.03, 6.12, x86_64: installed\nefa/3.1.0, 6.12, x86_64: installed (Original modules exist)", 0),
        ("nvidia, 550.163.01, 5.10.249, x86_64: installed\n", 0),
        ("nvidia/580.159.03: added\n", 1),
        ("nvidia/580.159.03, 6.12.110, x86_64: installed (WARNING! Diff between built and installed module!)\n", 1),
    ],
)  # fmt: skip
def test_a_module_that_dkms_has_not_installed_or_that_was_replaced_is_found(status: str, wrong: int) -> None:
    assert len(_not_installed(status)) == wrong
