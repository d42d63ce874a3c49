"""GDRCopy: how it is built where, what stands before its packages, and that a build that made nothing fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.resources import Run, VendorInstall
from amiforge.systems import by_name
from amiforge.systems.system import System
from amiforge.tasks.nvidia_gdrcopy import NvidiaGdrcopy


def system(name: str) -> System:
    return System(os=by_name(name), default_kernel="6.12.110")


def install(name: str, version: str = "2.5.2") -> VendorInstall:
    items = lay_out([NvidiaGdrcopy(version=version)], system(name))
    [found] = [item.resource for item in items if isinstance(item.resource, VendorInstall)]
    return found


def script(name: str) -> str:
    return "build-deb-packages.sh" if name.startswith("ubuntu") else "build-rpm-packages.sh"


@pytest.mark.parametrize(
    ("name", "service"),
    [("al2023", "gdrcopy"), ("amzn2", "gdrcopy"), ("ubuntu2204", "gdrdrv"), ("ubuntu2404", "gdrdrv")],
)
def test_a_unit_of_ours_takes_the_boot_script_s_name_before_the_packages_bring_it(name: str, service: str) -> None:
    names = [item.resource.name for item in lay_out([NvidiaGdrcopy()], system(name))]
    unit = names.index(f"file /etc/systemd/system/{service}.service")
    skipped = names.index(f"file /etc/systemd/system/{service}.service.d/10-device.conf")
    assert max(unit, skipped) < names.index("install GDRCopy")
    assert names[-2:] == ["run build gdrdrv 2.5.2 for 6.12.110", f"service {service}.service"]


@pytest.mark.parametrize("version", ["2.4", "2.5.2", "2.6"])
def test_releases_with_a_known_digest_carry_it(version: str) -> None:
    assert len(install("al2023", version).sources[0].sha256) == 64  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", ["HEAD", "v2.5.2", "3.0", "2"])
def test_a_version_is_a_release(version: str) -> None:
    with pytest.raises(ValidationError):
        NvidiaGdrcopy(version=version)


@pytest.mark.shell
@pytest.mark.parametrize("name", ["al2023", "ubuntu2404"])
def test_a_build_script_that_ends_well_without_packages_is_a_failure(name: str, tmp_path: Path) -> None:
    done = built(name, tmp_path, makes=())
    assert done.returncode != 0
    assert f"{script(name)} made no " in done.stderr


MADE = {
    "al2023": [
        "gdrcopy-2.5.2-1.amzn-2023.src.rpm",
        "gdrcopy-2.5.2-1.amzn-2023.x86_64.rpm",
        "gdrcopy-devel-2.5.2-1.amzn-2023.noarch.rpm",
        "gdrcopy-kmod-2.5.2-1dkms.amzn-2023.noarch.rpm",
    ],
    "ubuntu2404": [
        "gdrcopy-tests_2.5.2-1_amd64.Ubuntu24_04+cuda13.0.deb",
        "gdrcopy_2.5.2-1_amd64.Ubuntu24_04.deb",
        "gdrdrv-dkms_2.5.2-1_amd64.Ubuntu24_04.deb",
        "libgdrapi-dbgsym_2.5.2-1_amd64.Ubuntu24_04.ddeb",
        "libgdrapi_2.5.2-1_amd64.Ubuntu24_04.deb",
    ],
}


@pytest.mark.shell
@pytest.mark.parametrize("name", list(MADE))
def test_the_packages_are_installed_under_the_names_that_the_scripts_give_them(name: str, tmp_path: Path) -> None:
    done = built(name, tmp_path, makes=MADE[name])
    installed = done.stdout.split()[-4:] if name.startswith("ubuntu") else done.stdout.split()[-3:]
    left_out = [package for package in MADE[name] if "src.rpm" in package or "dbgsym" in package]
    assert done.returncode == 0, done.stderr
    assert sorted(installed) == sorted(set(MADE[name]) - set(left_out))


def built(name: str, tmp_path: Path, makes: tuple[str, ...] | list[str]) -> subprocess.CompletedProcess[str]:
    """Run the build with a script that leaves these files behind, and installers that say what they get."""
    programs, packages = tmp_path / "bin", tmp_path / "tree/packages"
    programs.mkdir()
    packages.mkdir(parents=True)
    for path, text in {
        programs / "rpm": 'echo "$@"',
        programs / "dpkg": 'echo "$@"',
        programs / "uname": "echo x86_64",
        packages / script(name): f'[ "$CUDA" = /usr/local/cuda ] && touch STAMP {" ".join(makes)}',
    }.items():
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    command = install(name).install
    return subprocess.run(
        ["sh", "-c", command.script, "sh", str(tmp_path / "tree")],
        env={"PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.shell
@pytest.mark.parametrize(
    ("name", "program", "prints", "version"),
    [
        ("al2023", "rpm", "2.5.2\n2.5.2\n2.5.2", "2.5.2"),
        ("al2023", "rpm", "2.5.2\n2.4\n2.5.2", ""),
        ("al2023", "rpm", "package gdrcopy-kmod is not installed\n2.5.2\n2.5.2", ""),
        ("ubuntu2404", "dpkg-query", "install ok installed 2.5.2\n" * 3, "2.5.2"),
        ("ubuntu2404", "dpkg-query", "hold ok installed 2.6-1\n" * 3, "2.6"),
        ("ubuntu2404", "dpkg-query", "install ok installed 2.6-1\n" * 2 + "install ok unpacked 2.6-1", ""),
        ("ubuntu2404", "dpkg-query", "install ok installed 2.6-1\n" * 2, ""),
    ],
)
def test_a_version_is_installed_when_all_packages_have_it(
    name: str, program: str, prints: str, version: str, tmp_path: Path
) -> None:
    (tmp_path / program).write_text(f"#!/bin/sh\ncat <<'END'\n{prints.strip()}\nEND\n")
    (tmp_path / program).chmod(0o755)
    observe = install(name).observe
    assert isinstance(observe, str)
    done = subprocess.run(
        ["sh", "-c", observe], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == version


def test_the_module_is_built_for_the_kernel_that_boots_next() -> None:
    items = lay_out([NvidiaGdrcopy(version="2.6")], system("al2023"))
    [run] = [item.resource for item in items if isinstance(item.resource, Run)]
    assert run.command.args == ("2.6", "6.12.110")
