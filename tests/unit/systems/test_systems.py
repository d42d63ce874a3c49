from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from amiforge.errors import ConfigError, FactUnreadable
from amiforge.shell import argv
from amiforge.systems import SYSTEMS, by_name, identify
from amiforge.systems.facts import parse
from amiforge.systems.kernel import KernelPackages
from amiforge.systems.os import Os
from amiforge.systems.package_manager import PackageVersion as P


@pytest.mark.parametrize("os", SYSTEMS, ids=lambda os: os.name)
def test_every_system_is_found_by_name_and_by_its_release_file(os: Os) -> None:
    assert by_name(os.name) is os
    assert identify(os.release_id, os.release_version) is os
    assert hash(os)


@pytest.mark.parametrize(("release", "version"), [("debian", "12"), ("amzn", "2027"), ("ubuntu", "20.04"), ("", "")])
def test_others_are_refused_with_the_list_of_known_ones(release: str, version: str) -> None:
    with pytest.raises(ConfigError) as caught:
        identify(release, version)
    assert all(os.name in caught.value.lines["fix"] for os in SYSTEMS)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="no operating system 'rhel9'"):
        by_name("rhel9")


@pytest.mark.parametrize(
    ("name", "release", "expected"),
    [
        (
            "al2023",
            "6.1.119-129.201.amzn2023.x86_64",
            KernelPackages(
                P("kernel", "6.1.119-129.201.amzn2023"),
                (P("kernel-devel", "6.1.119-129.201.amzn2023"), P("kernel-headers", "6.1.119-129.201.amzn2023")),
                (P("kernel-modules-extra", "6.1.119-129.201.amzn2023"),),
            ),
        ),
        (
            "al2023",
            "6.12.40-64.114.amzn2023.aarch64",
            KernelPackages(
                P("kernel6.12", "6.12.40-64.114.amzn2023"),
                (P("kernel6.12-devel", "6.12.40-64.114.amzn2023"), P("kernel6.12-headers", "6.12.40-64.114.amzn2023")),
                (P("kernel6.12-modules-extra", "6.12.40-64.114.amzn2023"),),
            ),
        ),
        (
            "amzn2",
            "5.10.234-225.895.amzn2.x86_64",
            KernelPackages(
                P("kernel", "5.10.234-225.895.amzn2"),
                (P("kernel-devel", "5.10.234-225.895.amzn2"), P("kernel-headers", "5.10.234-225.895.amzn2")),
            ),
        ),
        (
            "ubuntu2404",
            "6.8.0-1024-aws",
            KernelPackages(
                P("linux-image-6.8.0-1024-aws"),
                (P("linux-headers-6.8.0-1024-aws"),),
                (P("linux-modules-extra-6.8.0-1024-aws"),),
            ),
        ),
    ],
)
def test_kernel_packages_are_those_of_the_running_release(name: str, release: str, expected: KernelPackages) -> None:
    assert by_name(name).kernel.packages(release) == expected


@pytest.mark.parametrize("os", SYSTEMS, ids=lambda os: os.name)
@pytest.mark.parametrize("release", ["", "6.8", "5.15.0-91-generic.x86_64; reboot", "6.12.40-64.114.fc41.x86_64"])
def test_a_release_of_another_distribution_is_refused(os: Os, release: str) -> None:
    with pytest.raises(FactUnreadable):
        os.kernel.packages(release)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("al2023", "dracut --force --kver 6.12.1"),
        ("amzn2", "dracut --force --kver 6.12.1"),
        ("ubuntu2204", "update-initramfs -u -k 6.12.1"),
        ("ubuntu2404", "update-initramfs -u -k 6.12.1"),
    ],
)
def test_initramfs_is_rebuilt_for_one_kernel(name: str, expected: str) -> None:
    assert by_name(name).initramfs.rebuild("6.12.1").text() == argv(*expected.split()).text()


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize(
    ("name", "program", "answer", "expected"),
    [
        ("al2023", "dnf", "echo 'Reboot is required to fully utilize these updates.'; exit 1", True),
        ("al2023", "dnf", "echo 'Reboot should not be necessary.'", False),
        ("al2023", "dnf", "echo 'No such command: needs-restarting.' >&2; exit 1", False),
        ("amzn2", "needs-restarting", "echo 'Reboot is required to fully utilize these updates.'; exit 1", True),
        ("amzn2", "needs-restarting", "exit 127", False),
    ],
)
def test_reboot_is_required_when_the_words_say_so(
    tmp_path: Path, name: str, program: str, answer: str, expected: bool
) -> None:
    (tmp_path / program).write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / program).chmod(0o755)
    text = f"PATH={tmp_path}:$PATH\n{by_name(name).reboot_required}"
    done = subprocess.run(["sh", "-s"], input=text, capture_output=True, check=True, text=True)
    assert bool(done.stdout.strip()) is expected


def test_facts_name_the_modules_that_the_next_kernel_has() -> None:
    lines = ["os amzn 2023", "arch x86_64", "kernel 6.1", "boot_id b", "user u", "module tcp_bbr", "pci 10DE:1"]
    system = parse("\n".join(lines).encode())
    assert (set(system.modules), set(system.pci)) == ({"tcp_bbr"}, {"10de:1"})
