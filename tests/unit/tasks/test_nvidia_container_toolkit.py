from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.resources import JsonKeys, Packages, Repository, Run
from amiforge.systems import SYSTEMS, by_name
from amiforge.systems.os import Os
from amiforge.systems.system import Arch, System
from amiforge.tasks import nvidia_container_toolkit
from amiforge.tasks.nvidia_container_toolkit import NvidiaContainerToolkit

FOUR = "nvidia-container-toolkit, nvidia-container-toolkit-base, libnvidia-container-tools, libnvidia-container1"


def resources(task: NvidiaContainerToolkit, os: str = "al2023", arch: Arch = "x86_64") -> list[Any]:
    return [item.resource for item in lay_out([task], System(os=by_name(os), arch=arch))]


def names(task: NvidiaContainerToolkit, os: str = "al2023") -> list[str]:
    return [resource.name for resource in resources(task, os)]


def keys(**options: Any) -> dict[str, str]:
    found = [each for each in resources(NvidiaContainerToolkit(**options)) if isinstance(each, JsonKeys)]
    return dict(found[0].values) if found else {}


@pytest.mark.parametrize("os", SYSTEMS, ids=lambda os: os.name)
def test_what_skips_the_service_without_a_gpu_is_there_before_the_package(os: Os) -> None:
    found = names(NvidiaContainerToolkit(), os.name)
    drop_in = "file /etc/systemd/system/nvidia-cdi-refresh.service.d/10-device.conf"
    lists = [name for name in found if name.endswith("sources.list.d/nvidia-container-toolkit.list")]
    assert len(lists) == (os.packages.name == "apt")
    assert found[len(lists)] == "repository nvidia-container-toolkit"
    assert found.index(drop_in) < found.index(f"packages {FOUR}") < found.index(f"hold of {FOUR}")
    assert found[-3:] == [
        "run set the NVIDIA runtime's mode to auto",
        "keys of /etc/docker/daemon.json",
        "service docker.service",
    ]


def test_all_four_packages_have_one_version() -> None:
    [packages] = [each for each in resources(NvidiaContainerToolkit(version="1.20.1")) if isinstance(each, Packages)]
    assert packages.desired(System(os=by_name("al2023"))) == dict.fromkeys(FOUR.split(", "), "1.20.1")


@pytest.mark.parametrize(
    ("os", "arch", "url"),
    [
        ("al2023", "x86_64", "rpm/x86_64"),
        ("amzn2", "aarch64", "rpm/aarch64"),
        ("ubuntu2204", "x86_64", "deb/amd64"),
        ("ubuntu2404", "aarch64", "deb/arm64"),
    ],
)
def test_they_come_from_nvidias_own_repository(os: str, arch: Arch, url: str) -> None:
    found = resources(NvidiaContainerToolkit(), os, arch)
    [repository] = [resource for resource in found if isinstance(resource, Repository)]
    assert repository.url == f"https://nvidia.github.io/libnvidia-container/stable/{url}"
    assert repository.key_fingerprint == "C95B321B61E88C1809C4F759DDCAE044F796ECB0"
    rpm = url.startswith("rpm")
    assert (repository.preferred, repository.signed_index, bool(repository.only)) == (rpm, rpm, rpm)


@pytest.mark.parametrize("version", ["1.17.7", "1.16.2", "1.9.0", "0.99.99"])
def test_a_version_with_a_known_way_out_of_the_container_is_refused(version: str) -> None:
    with pytest.raises(ValidationError, match=r"use 1\.17\.8 or later"):
        NvidiaContainerToolkit(version=version)


@pytest.mark.parametrize("version", ["1.17.8", "1.18.0", "1.20.1", "2.0.0", "1.100.0"])
def test_later_versions_are_taken(version: str) -> None:
    assert NvidiaContainerToolkit(version=version).version == version


@pytest.mark.parametrize("version", ["1.20", "latest", "1.20.0-rc.1", ""])
def test_a_version_is_an_exact_one(version: str) -> None:
    with pytest.raises(ValidationError):
        NvidiaContainerToolkit(version=version)


RUNTIME = {"/runtimes/nvidia/args": "[]", "/runtimes/nvidia/path": '"nvidia-container-runtime"'}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, RUNTIME),
        ({"default_runtime": True}, {**RUNTIME, "/default-runtime": '"nvidia"'}),
        ({"cdi": True}, {**RUNTIME, "/features/cdi": "true"}),
        ({"runtimes": ("containerd",)}, {}),
    ],
)
def test_docker_gets_single_keys(options: dict[str, Any], expected: dict[str, str]) -> None:
    assert keys(**options) == expected


def test_containerd_is_left_to_nvidias_program() -> None:
    task = NvidiaContainerToolkit(runtimes=("containerd",), default_runtime=True)
    assert names(task)[-2:] == ["run configure containerd for the NVIDIA runtime", "service containerd.service"]
    run = resources(task)[-2]
    assert isinstance(run, Run)
    assert str(run.command) == "nvidia-ctk runtime configure --runtime=containerd --set-as-default=true"


def says(text: str, *args: str, **files: Path) -> bool:
    for path, real in files.items():
        text = text.replace(getattr(nvidia_container_toolkit, path), str(real))
    return subprocess.run(["sh", "-c", text, "sh", *args], check=False).returncode == 0


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize(
    ("config", "right"),
    [
        ('[nvidia-container-runtime]\nlog-level = "info"\nmode = "cdi"\n', True),
        ('[nvidia-container-runtime]\nmode = "auto"\n[nvidia-container-runtime.modes.x]\nmode = "cdi"\n', False),
        ('mode = "cdi"\n[nvidia-container-runtime]\n#mode = "cdi"\n', False),
        (None, False),
    ],
)
def test_the_mode_is_the_one_in_its_own_section(tmp_path: Path, config: str | None, right: bool) -> None:
    path = tmp_path / "config.toml"
    if config is not None:
        path.write_text(config)
    assert says(nvidia_container_toolkit._MODE, "cdi", _CONFIG=path) is right


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize(
    ("main", "drop_in", "default", "right"),
    [
        ("imports = ['D/*.toml']\n", "nvidia-container-runtime\n", "false", True),
        ("imports = ['D/*.toml']\n", 'default_runtime_name = "nvidia"\nnvidia-container-runtime\n', "true", True),
        ("imports = ['D/*.toml']\n", 'default_runtime_name = "nvidia"\nnvidia-container-runtime\n', "false", True),
        ("imports = ['D/*.toml']\n", 'default_runtime_name = "runc"\nnvidia-container-runtime\n', "true", False),
        ("imports = ['D/*.toml']\n", "nvidia-container-runtime\n", "true", False),
        ("# imports\n", "nvidia-container-runtime\n", "false", False),
        ("imports = ['D/*.toml']\n", "nothing\n", "false", False),
    ],
)
def test_containerd_is_configured_when_it_imports_the_runtime(
    tmp_path: Path, main: str, drop_in: str, default: str, right: bool
) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "config.toml").write_text(main.replace("D", f"{tmp_path}/conf.d"))
    (tmp_path / "conf.d/99-nvidia.toml").write_text(drop_in)
    text = nvidia_container_toolkit._CONTAINERD.replace("/etc/containerd", str(tmp_path))
    assert says(text, default) is right


def test_software_says_the_version_and_its_repository() -> None:
    [line] = NvidiaContainerToolkit().software(System(os=by_name("al2023")))
    assert (line.version, line.source, line.option) == ("1.20.0", "nvidia.github.io/libnvidia-container", "version")


def test_what_takes_a_gpu_is_asked_only_where_there_is_one() -> None:
    host: Any = None
    checks = list(NvidiaContainerToolkit().checks(host, System(os=by_name("al2023"))))
    assert [check.title for check in checks if check.device == "10de"] == [
        "the toolkit finds the GPUs",
        "there is a CDI specification",
    ]


@pytest.mark.parametrize(
    ("daemon", "right"),
    [
        ('{"runtimes": {"nvidia": {"path": "nvidia-container-runtime", "args": []}}}', True),
        ('{"runtimes": {"nvidia": {"path": "/opt/other"}}}', False),
    ],
)
def test_dockers_runtime_is_read_from_its_configuration(daemon: str, right: bool) -> None:
    host: Any = SimpleNamespace(file=lambda _path: SimpleNamespace(content_string=daemon))
    checks = NvidiaContainerToolkit().checks(host, System(os=by_name("al2023")))
    [check] = [check for check in checks if check.title == "Docker knows the runtime nvidia"]
    assert (check.found() == check.expected) is right
