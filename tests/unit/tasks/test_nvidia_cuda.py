"""CUDA: which packages, from where, which of them /usr/local/cuda means, and what may not move them."""

from __future__ import annotations

import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from pydantic import ValidationError

import amiforge
from amiforge.engine.plan import lay_out
from amiforge.errors import RecipeError
from amiforge.resources import PackageHold, Packages, Repository
from amiforge.systems import by_name
from amiforge.systems.system import Arch, System
from amiforge.tasks.nvidia_cuda import NvidiaCuda


def system(name: str, arch: Arch = "x86_64") -> System:
    return System(os=by_name(name), arch=arch)


def packages(task: NvidiaCuda, name: str) -> dict[str, object]:
    there = system(name)
    found = [item.resource for item in lay_out([task], there) if isinstance(item.resource, Packages)]
    return {package: wanted for each in found for package, wanted in each.desired(there).items()}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("al2023", ["cuda-toolkit-13-0", "libcudnn9-cuda-13", "libcudnn9-devel-cuda-13"]),
        ("ubuntu2204", ["cuda-toolkit-13-0", "libcudnn9-cuda-13", "libcudnn9-dev-cuda-13"]),
        ("ubuntu2404", ["cuda-toolkit-13-0", "libcudnn9-cuda-13", "libcudnn9-dev-cuda-13"]),
    ],
)
def test_only_toolkit_and_cudnn_are_named_never_what_brings_a_driver(name: str, wanted: list[str]) -> None:
    assert list(packages(NvidiaCuda(), name)) == wanted


def test_amazon_linux_2_has_cuda_12_4_without_cudnn_and_nothing_newer() -> None:
    assert packages(NvidiaCuda(version="12.4.1"), "amzn2") == {"cuda-toolkit-12-4": "12.4.1"}
    with pytest.raises(RecipeError, match=r"CUDA 13\.0 is not packaged for Amazon Linux 2"):
        packages(NvidiaCuda(version="12.4", also=("13.0",)), "amzn2")


def test_exact_versions_are_pinned_and_others_are_any_of_their_release() -> None:
    found = packages(NvidiaCuda(version="13.0.2", also=("12.9",), cudnn_version="9.25.1.1"), "ubuntu2404")
    assert found == {
        "cuda-toolkit-13-0": "13.0.2",
        "cuda-toolkit-12-9": "installed",
        "libcudnn9-cuda-13": "9.25.1.1",
        "libcudnn9-dev-cuda-13": "9.25.1.1",
    }


def test_several_toolkits_are_there_and_the_first_is_usr_local_cuda() -> None:
    names = [item.resource.name for item in lay_out([NvidiaCuda(also=("12.8", "12.9"))], system("al2023"))]
    assert "run let /usr/local/cuda be /usr/local/cuda-13.0" in names
    assert not any("be /usr/local/cuda-12" in name for name in names)


def test_every_package_of_a_toolkit_is_held_and_none_of_another() -> None:
    items = lay_out([NvidiaCuda()], system("al2023"))
    [hold] = [item.resource for item in items if isinstance(item.resource, PackageHold)]

    def held(package: str) -> bool:
        return any(fnmatchcase(package, pattern) for pattern in hold.patterns)

    assert all(map(held, ("cuda-toolkit-13-0", "cuda-nvcc-13-0", "libcublas-devel-13-0", "libcudnn9-cuda-13")))
    assert not any(map(held, ("cuda-toolkit-13-2", "nvidia-driver", "libnccl", "cuda-drivers")))


def test_on_amazon_linux_2023_nvidia_s_repository_can_move_neither_driver_nor_dkms() -> None:
    items = lay_out([NvidiaCuda()], system("al2023"))
    [repository] = [item.resource for item in items if isinstance(item.resource, Repository)]
    offered = [
        package
        for package in ("nvidia-driver", "kmod-nvidia-open-dkms", "dkms", "nvidia-fabricmanager", "libnvidia-ml")
        if any(fnmatchcase(package, pattern) for pattern in repository.only)
    ]
    assert repository.only
    assert offered == []


def test_arm64_packages_come_from_sbsa() -> None:
    items = lay_out([NvidiaCuda()], system("ubuntu2404", "aarch64"))
    [repository] = [item.resource for item in items if isinstance(item.resource, Repository)]
    assert repository.url.endswith("/ubuntu2404/sbsa/")


@pytest.mark.parametrize("version", ["13", "latest", "13.0; reboot", "9.2", ""])
def test_a_version_is_a_release(version: str) -> None:
    with pytest.raises(ValidationError):
        NvidiaCuda(version=version)


def test_what_is_on_the_image_is_said_with_the_option_that_decides_it() -> None:
    lines = list(NvidiaCuda(also=("12.9",)).software(system("al2023")))
    assert [(line.version, line.option) for line in lines] == [
        ("13.0", "version"),
        ("12.9", "also"),
        ("", "cudnn_version"),
    ]


@pytest.mark.shell
def test_the_profile_puts_cuda_first_once_and_touches_nothing_else() -> None:
    text = (Path(amiforge.__file__).parent / "files/nvidia_cuda/cuda.sh").read_text()
    script = f'{text}\n{text}\necho "$PATH"; echo "${{LD_LIBRARY_PATH-unset}} ${{LD_PRELOAD-unset}}"'
    done = subprocess.run(["sh", "-euc", script], env={"PATH": "/bin:/usr/bin"}, capture_output=True, check=True)
    assert done.stdout.decode().splitlines() == ["/usr/local/cuda/bin:/bin:/usr/bin", "unset unset"]
