"""Enroot and pyxis: packages of each system, a plugin for the Slurm there is, and a plugstack that stays others'."""

from __future__ import annotations

import os
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.errors import RecipeError
from amiforge.resources import Artifact, File, Run, VendorInstall
from amiforge.shell import Command
from amiforge.systems import by_name
from amiforge.systems.system import Arch, System
from amiforge.tasks.nvidia_enroot_pyxis import NvidiaEnrootPyxis


def resources(task: NvidiaEnrootPyxis, name: str = "al2023", arch: Arch = "x86_64") -> dict[str, object]:
    items = lay_out([task], System(os=by_name(name), arch=arch))
    return {item.resource.name: item.resource for item in items}


def installed(task: NvidiaEnrootPyxis, product: str, name: str = "al2023", arch: Arch = "x86_64") -> VendorInstall:
    found = resources(task, name, arch)[f"install {product}"]
    assert isinstance(found, VendorInstall)
    return found


@pytest.mark.parametrize(
    ("name", "arch", "files"),
    [
        ("al2023", "x86_64", ["enroot-4.2.1-1.el8.x86_64.rpm", "enroot+caps-4.2.1-1.el8.x86_64.rpm"]),
        ("al2023", "aarch64", ["enroot-4.2.1-1.el8.aarch64.rpm", "enroot+caps-4.2.1-1.el8.aarch64.rpm"]),
        ("ubuntu2404", "x86_64", ["enroot_4.2.1-1_amd64.deb", "enroot+caps_4.2.1-1_amd64.deb"]),
        ("ubuntu2204", "aarch64", ["enroot_4.2.1-1_arm64.deb", "enroot+caps_4.2.1-1_arm64.deb"]),
    ],
)
def test_enroot_s_files_are_named_as_its_releases_name_them(name: str, arch: Arch, files: list[str]) -> None:
    urls = [source.url for source in installed(NvidiaEnrootPyxis(), "enroot", name, arch).sources]  # type: ignore[attr-defined]
    assert urls == [f"https://github.com/NVIDIA/enroot/releases/download/v4.2.1/{file}" for file in files]


def test_pyxis_is_the_tag_s_archive() -> None:
    [artifact, _] = installed(NvidiaEnrootPyxis(pyxis_version="0.23.0"), "pyxis").sources
    assert isinstance(artifact, Artifact)
    assert artifact.url == "https://github.com/NVIDIA/pyxis/archive/refs/tags/v0.23.0.tar.gz"


def test_amazon_linux_2_needs_epel_and_has_it_on_intel_only() -> None:
    assert list(resources(NvidiaEnrootPyxis(), "amzn2"))[:2] == ["run enable the topic epel", "packages epel-release"]
    with pytest.raises(RecipeError, match="nvidia_enroot_pyxis does not exist"):
        resources(NvidiaEnrootPyxis(), "amzn2", "aarch64")


def test_gpus_in_containers_and_pyxis_are_options() -> None:
    assert "packages libnvidia-container-tools" in resources(NvidiaEnrootPyxis(nvidia=True))
    assert "packages libnvidia-container-tools" not in resources(NvidiaEnrootPyxis())
    assert not [name for name in resources(NvidiaEnrootPyxis(pyxis=False)) if "pyxis" in name or "slurm" in name]


def test_every_path_of_the_configuration_is_made_at_each_boot() -> None:
    found = resources(NvidiaEnrootPyxis(data="/scratch/enroot"))
    conf, tmpfiles = (
        found[f"file {path}"] for path in ("/etc/enroot/enroot.conf.d/50-amiforge.conf", "/etc/tmpfiles.d/enroot.conf")
    )
    assert isinstance(conf, File)
    assert isinstance(tmpfiles, File)
    folders = [line.split()[1] for line in tmpfiles._bytes().decode().splitlines() if line.startswith("d ")]
    lines = dict(line.split(None, 1) for line in conf._bytes().decode().splitlines() if line.startswith("ENROOT_"))
    paths = [value for key, value in lines.items() if key.endswith("_PATH")]
    assert lines["ENROOT_DATA_PATH"] == "/scratch/enroot/user-$(id -u)"
    assert {path.removesuffix("/user-$(id -u)") for path in paths} <= set(folders)


@pytest.mark.parametrize("wrong", [{"slurm": "opt/slurm"}, {"slurm": "/opt/my slurm"}, {"data": "/a;b"}, {"data": "/"}])
def test_paths_are_plain_ones(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        NvidiaEnrootPyxis.model_validate(wrong)


class Cluster:
    """A Slurm, and what lies below /usr/local, in a folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.slurm = root, root / "slurm"
        self.task = NvidiaEnrootPyxis(slurm=str(self.slurm))
        self.plugin = root / "usr/lib/slurm/spank_pyxis.so"
        self.etc = self.slurm / "etc"
        (self.etc / "plugstack.conf.d").mkdir(parents=True)
        self.version("0x190b08")

    def version(self, number: str) -> None:
        header = self.slurm / "include/slurm/slurm_version.h"
        header.parent.mkdir(parents=True, exist_ok=True)
        header.write_text(f"#define SLURM_VERSION_NUMBER {number}\n#define SLURM_VERSION_NUM(a,b,c) (a)\n")

    def run(self, command: Command | str) -> subprocess.CompletedProcess[str]:
        text = command if isinstance(command, str) else command.text()
        text = text.replace("/usr/local", f"{self.root}/usr").replace("/var/cache/amiforge", str(self.root))
        return subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)

    def build(self) -> subprocess.CompletedProcess[str]:
        tree = self.root / "pyxis/tree"
        tree.mkdir(parents=True, exist_ok=True)
        (self.root / "usr/share/pyxis").mkdir(parents=True, exist_ok=True)
        (tree / "Makefile").write_text(
            f"CPPFLAGS := -DMINE $(CPPFLAGS)\ninstall:\n\tmkdir -p {self.plugin.parent}\n"
            f"\techo '$(CPPFLAGS)' >{self.plugin}\nall:\n\ttrue\n"
        )
        return self.run(installed(self.task, "pyxis").install)

    def state(self) -> str:
        return self.run(installed(self.task, "pyxis").observe).stdout.strip()

    def loads(self) -> bool:
        return self.run(self._plugstack.proof).returncode == 0

    def load(self) -> subprocess.CompletedProcess[str]:
        return self.run(self._plugstack.command)

    @property
    def _plugstack(self) -> Run:
        found = resources(self.task)[f"run load pyxis by {self.etc}/plugstack.conf"]
        assert isinstance(found, Run)
        return found


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


@pytest.mark.shell
def test_flags_are_added_to_those_of_the_makefile_not_put_in_their_place(cluster: Cluster) -> None:
    assert cluster.build().returncode == 0
    assert cluster.plugin.read_text() == f"-DMINE -I {cluster.slurm}/include\n"


@pytest.mark.shell
def test_a_build_counts_for_the_slurm_it_was_made_for_alone(cluster: Cluster) -> None:
    assert cluster.state() == ""
    cluster.build()
    assert cluster.state() == "0.24.0"
    cluster.version("0x1a0500")
    assert cluster.state() == "0.24.0 for Slurm 25.11.8"
    cluster.build()
    assert cluster.state() == "0.24.0"


@pytest.mark.shell
def test_another_plugin_in_its_place_is_seen(cluster: Cluster) -> None:
    cluster.build()
    cluster.plugin.write_text("of the source image")
    assert cluster.state() == "another build"


@pytest.mark.shell
def test_a_build_that_fails_leaves_no_record(cluster: Cluster) -> None:
    cluster.build()
    record = cluster.root / "usr/share/pyxis/built-by-amiforge"
    assert record.read_text().split()[-1] == sha256(cluster.plugin.read_bytes()).hexdigest()
    (cluster.slurm / "include/slurm/slurm_version.h").unlink()
    assert cluster.build().returncode != 0


@pytest.mark.shell
def test_without_slurm_s_headers_there_is_advice(cluster: Cluster) -> None:
    [find] = [each for name, each in resources(cluster.task).items() if name.startswith("run find ")]
    assert isinstance(find, Run)
    assert cluster.run(find.proof).returncode != 0
    said = cluster.run(find.command)
    assert said.returncode != 0
    assert "ParallelCluster" in said.stderr


@pytest.mark.shell
@pytest.mark.parametrize("before", ["", "required other.so", "optional other.so\n# include plugstack.conf.d/*.conf\n"])
def test_the_plugstack_gets_one_line_and_keeps_its_others(cluster: Cluster, before: str) -> None:
    stack = cluster.etc / "plugstack.conf"
    stack.write_text(before)
    assert not cluster.loads()
    assert cluster.load().returncode == 0
    assert cluster.loads()
    assert stack.read_text().splitlines() == [*before.splitlines(), f"include {cluster.etc}/plugstack.conf.d/*.conf"]


@pytest.mark.shell
@pytest.mark.parametrize(
    "path", ["{etc}/plugstack.conf.d/*", "{etc}/plugstack.conf.d/*.conf", "plugstack.conf.d/*.conf"]
)
def test_an_include_that_is_there_is_enough(cluster: Cluster, path: str) -> None:
    stack = cluster.etc / "plugstack.conf"
    stack.write_text(f"include {path.format(etc=cluster.etc)}\n")
    assert cluster.loads()


@pytest.mark.shell
@pytest.mark.parametrize("file", ["plugstack.conf", "plugstack.conf.d/90-pyxis.conf"])
def test_pyxis_is_not_loaded_twice(cluster: Cluster, file: str) -> None:
    cluster.load()
    with (cluster.etc / file).open("a") as other:
        other.write("required /usr/local/lib/slurm/spank_pyxis.so runtime_path=/tmp\n")
    assert not cluster.loads()
    done = cluster.load()
    assert done.returncode != 0
    assert f"{cluster.etc}/{file} loads pyxis already" in done.stderr


@pytest.mark.shell
@pytest.mark.parametrize(
    ("found", "state"),
    [
        ("ii 4.2.1-1\nhi 4.2.1-1", "4.2.1"),
        ("ii 4.2.1-1\nii 4.1.2-1", "4.1.2 4.2.1"),
        ("ii 4.2.1-1\nrc 4.2.1-1", ""),
        ("ii 4.2.1-1", ""),
    ],
)
def test_enroot_is_there_when_both_packages_are(found: str, state: str, tmp_path: Path) -> None:
    observe = installed(NvidiaEnrootPyxis(), "enroot", "ubuntu2404").observe
    assert isinstance(observe, str)
    (tmp_path / "dpkg-query").write_text(f"#!/bin/sh\ncat <<'END'\n{found}\nEND\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", observe], capture_output=True, text=True, check=False, env=path)
    assert done.stdout.strip() == state
