"""EFA: what is installed as one state, what goes before the installer runs, and the packages of each system."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.resources import VendorInstall
from amiforge.shell import Command
from amiforge.systems import by_name
from amiforge.systems.system import System
from amiforge.tasks.aws_efa import RELEASES, AwsEfa

KERNELS = {
    "al2023": "6.12.110-135.202.amzn2023.x86_64",
    "amzn2": "5.10.249-245.983.amzn2.x86_64",
    "ubuntu2204": "6.8.0-1046-aws",
    "ubuntu2404": "6.17.0-1010-aws",
}
KERNEL = KERNELS["al2023"]


def system(name: str) -> System:
    return System(os=by_name(name), kernel=KERNELS[name], default_kernel=KERNELS[name])


def names(task: AwsEfa, name: str = "al2023") -> list[str]:
    return [item.resource.name for item in lay_out([task], system(name))]


def installer(task: AwsEfa, name: str = "al2023") -> VendorInstall:
    [found] = [item.resource for item in lay_out([task], system(name)) if item.resource.name == "install EFA installer"]
    assert isinstance(found, VendorInstall)
    return found


def options(task: AwsEfa) -> str:
    return str(installer(task).install).removeprefix("efa_installer.sh ")


@pytest.mark.parametrize("version", [version for version, release in RELEASES.items() if release.sha256])
def test_a_known_release_carries_its_digest_and_every_release_its_signature(version: str) -> None:
    [artifact, _] = installer(AwsEfa(version=version)).sources
    assert len(artifact.sha256) == 64  # type: ignore[attr-defined]
    assert artifact.signature.url.endswith(f"aws-efa-installer-{version}.tar.gz.sig")  # type: ignore[attr-defined]


def test_a_release_without_a_published_digest_rests_on_its_signature() -> None:
    [artifact, _] = installer(AwsEfa(version="1.51.0")).sources
    assert artifact.sha256 == ""  # type: ignore[attr-defined]
    assert artifact.signature.key_fingerprint == "4E9091BCBB97A96B26B15E59A05480B1DD2D3CCC"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (AwsEfa(), "-y"),
        (AwsEfa(minimal=True), "-y --minimal"),
        (AwsEfa(mpi="openmpi5"), "-y --mpi=openmpi5"),
        (AwsEfa(minimal=True, mpi="openmpi4"), "-y --minimal"),
    ],
)
def test_the_installer_is_told_the_extent(task: AwsEfa, words: str) -> None:
    assert options(task) == words


@pytest.mark.parametrize(
    ("name", "needed", "conflicting"),
    [
        ("al2023", "environment-modules, libibverbs-utils, librdmacm-utils, rdma-core-devel", "openmpi, openmpi-devel"),
        ("amzn2", "environment-modules, libibverbs-utils, librdmacm-utils", "openmpi, openmpi-devel"),
        ("ubuntu2404", "environment-modules", "libopenmpi-dev"),
    ],
)
def test_what_stands_in_the_way_goes_and_what_is_needed_comes_before(name: str, needed: str, conflicting: str) -> None:
    found = names(AwsEfa(), name)
    order = [f"packages {conflicting}", f"packages {needed}", "install EFA installer"]
    assert [each for each in found if each in order] == order


def test_processes_may_read_each_other_s_memory_only_on_ubuntu_and_only_with_libfabric() -> None:
    sysctl = "sysctl kernel.yama.ptrace_scope"
    assert sysctl in names(AwsEfa(), "ubuntu2204")
    assert sysctl not in names(AwsEfa(ptrace=False), "ubuntu2204")
    assert sysctl not in names(AwsEfa(minimal=True), "ubuntu2204")
    assert sysctl not in names(AwsEfa())


def test_minimal_brings_nothing_but_the_installation_and_the_module_it_needs() -> None:
    assert names(AwsEfa(minimal=True)) == [f"run bring ib_uverbs for {KERNEL}", "install EFA installer"]


@pytest.mark.parametrize("version", ["latest", "1.50", "2.0.0", "1.50.0; reboot"])
def test_a_version_is_an_exact_one(version: str) -> None:
    with pytest.raises(ValidationError):
        AwsEfa(version=version)


class Machine:
    """A folder in place of /opt/amazon, and programs that answer from files or note what they were asked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir()
        self.program("dkms", f'cat "{root}/dkms" 2>/dev/null')
        self.program("modinfo", f'case "$*" in *nvidia*) [ -e "{root}/driver" ] ;; *) cat "{root}/modinfo" ;; esac')
        self.program("rpm", f'echo "$*" >>"{root}/asked"; case $1 in -q) grep -qx "$4" "{root}/packages" ;; esac')
        self.write("packages", "")

    def program(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, command: Command) -> subprocess.CompletedProcess[str]:
        text = command.text().replace("/opt/amazon", str(self.root)).replace("/var/cache/amiforge/efa", str(self.root))
        path = {"PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        return subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, env=path)

    def installed(self, version: str = "1.50.0") -> None:
        self.write("efa_installed_packages", f"# EFA installer version: {version}\n# Packages:\nefa-3.3.0-1 gone-1-1\n")
        self.write("dkms", f"efa/3.3.0, {KERNEL}, x86_64: installed\n")
        self.write("modinfo", "3.3.0g\n")

    def state(self) -> str:
        command = installer(AwsEfa()).observe
        assert isinstance(command, Command)
        return self.run(command).stdout.strip()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.shell
def test_nothing_is_installed_without_a_record(machine: Machine) -> None:
    assert not machine.state()


@pytest.mark.shell
@pytest.mark.parametrize(
    ("left", "extent"),
    [
        ((), "minimal"),
        (("efa/bin/fi_info",), "full"),
        (("efa/bin/fi_info", "openmpi5/bin/mpirun"), "full openmpi5"),
        (("efa/bin/fi_info", "openmpi/bin/mpirun", "openmpi5/bin/mpirun"), "full openmpi openmpi5"),
    ],
)
def test_what_is_left_behind_tells_the_extent(machine: Machine, left: tuple[str, ...], extent: str) -> None:
    machine.installed()
    for path in left:
        machine.write(path, "")
    assert machine.state() == f"1.50.0 {extent}"


@pytest.mark.shell
@pytest.mark.parametrize(
    "line", [f"efa/3.3.0, {KERNEL}, x86_64: installed", f"efa, 3.3.0, {KERNEL}, x86_64: installed"]
)
def test_both_forms_of_dkms_are_read(machine: Machine, line: str) -> None:
    machine.installed()
    machine.write("dkms", f"{line}\n")
    assert machine.state() == "1.50.0 minimal"


@pytest.mark.shell
@pytest.mark.parametrize(
    ("dkms", "modinfo"),
    [("", "2.17.3"), (f"efa/3.3.0, {KERNEL}, x86_64: built", "3.3.0g"), (f"efa/3.3.0, {KERNEL}: installed", "2.17.3")],
    ids=["kernel's own", "only built", "another one wins"],
)
def test_only_dkms_s_module_for_the_next_kernel_counts(machine: Machine, dkms: str, modinfo: str) -> None:
    machine.installed()
    machine.write("dkms", f"{dkms}\n")
    machine.write("modinfo", f"{modinfo}\n")
    assert machine.state() == f"1.50.0 minimal, no module for {KERNEL}"


@pytest.mark.shell
@pytest.mark.parametrize("driver", [True, False])
def test_peer_memory_is_a_stray_without_a_driver(machine: Machine, driver: bool) -> None:
    machine.installed()
    machine.write("packages", "efa-nv-peermem\n")
    if driver:
        machine.write("driver", "")
    assert machine.state() == "1.50.0 minimal" + ("" if driver else ", efa-nv-peermem without a driver")


@pytest.mark.shell
def test_what_is_recorded_and_there_goes_before_the_installer_runs(machine: Machine) -> None:
    machine.installed("1.51.0")
    machine.write("packages", "efa-3.3.0-1\n")
    machine.write("tree/efa_installer.sh", f'#!/bin/sh\necho "installer $*" >>"{machine.root}/asked"\n')
    (machine.root / "tree/efa_installer.sh").chmod(0o755)
    done = machine.run(installer(AwsEfa(minimal=True)).install)
    assert done.returncode == 0, done.stderr
    asked = (machine.root / "asked").read_text().splitlines()
    assert [line for line in asked if not line.startswith("-q")] == [
        "-e --nodeps -- efa-3.3.0-1",
        "installer -y --minimal",
    ]
    assert not (machine.root / "efa_installed_packages").exists()
