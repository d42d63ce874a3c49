"""NVIDIA's CUDA repository: one description for every task that takes packages from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amiforge.resources import Repository

if TYPE_CHECKING:
    from amiforge.systems.system import System

_ROOT = "https://developer.download.nvidia.com/compute/cuda/repos"

# Amazon has a driver repository of its own, whose packages must not mix with these; what CUDA itself consists of comes
# from here in the newest versions, also where Amazon has older ones.
_WITHOUT_DRIVER = (
    "cuda*",
    "libcu*",
    "cudnn*",
    "libnccl*",
    "libnpp*",
    "libnvfatbin*",
    "libnvjitlink*",
    "libnvjpeg*",
    "libnvptxcompiler*",
    "libnvvm*",
    "gds-tools*",
    "nsight-*",
    "datacenter-gpu-manager*",
)

# Repository folder, key file, the key's fingerprint, and the packages that may come from it (all when empty).
_BY_OS = {
    "al2023": ("amzn2023", "D42D0685.pub", "610C7B14E068A878070DA4E99CD0A493D42D0685", _WITHOUT_DRIVER),
    "ubuntu2204": ("ubuntu2204", "3bf863cc.pub", "EB693B3035CD5710E231E123A4B469963BF863CC", ()),
    "ubuntu2404": ("ubuntu2404", "3bf863cc.pub", "EB693B3035CD5710E231E123A4B469963BF863CC", ()),
}


def cuda_repository(system: System) -> Repository:
    """Give NVIDIA's CUDA repository for a system; Amazon Linux 2 has none, its packages come from Amazon.

    Its packages win over the distribution's own of the same name, as NVIDIA's own preferences file has it.
    Sources: NVIDIA CUDA installation guide for Linux; cuda-keyring; keys from NVIDIA/cuda-repo-management.
    """
    folder, key, fingerprint, only = _BY_OS[system.os.name]
    url = f"{_ROOT}/{folder}/{'sbsa' if system.arch == 'aarch64' else system.arch}"
    return Repository(
        "cuda",
        f"{url}/",
        key_url=f"{url}/{key}",
        key_fingerprint=fingerprint,
        suites="/",
        only=only,
        preferred=True,
        release="l=NVIDIA CUDA",
    )
