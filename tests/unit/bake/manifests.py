"""Manifests of images as they really are, with few packages."""

from __future__ import annotations

from amiforge.bake.inventory import File, Inventory, Module, Package, Repository
from amiforge.bake.manifest import Artifact, Component, Lineage, Manifest, Verification
from amiforge.ec2.resolve import ResolvedImage

KERNEL = "6.12.40-64.114.amzn2023"
SHA = "5d" * 32


def rpm(name: str, version: str, source: str = "", arch: str = "x86_64", licence: str = "") -> Package:
    return Package(kind="rpm", name=name, version=version, arch=arch, source=source or name, licence=licence)


def driver_packages(driver: str) -> tuple[Package, ...]:
    """Give what NVIDIA's repository for Amazon Linux 2023 installs, whose epoch is 3."""
    names = ("nvidia-driver", "nvidia-driver-cuda", "nvidia-driver-libs", "nvidia-persistenced", "nvidia-modprobe")
    return (
        *(rpm(name, f"3:{driver}-1.amzn2023") for name in names),
        rpm("kmod-nvidia-open-dkms", f"3:{driver}-1.amzn2023", arch="noarch"),
        rpm("nvidia-fabricmanager", f"{driver}-1"),
    )


def kernel_packages(kernel: str) -> tuple[Package, ...]:
    return tuple(
        rpm(name, kernel, "kernel6.12") for name in ("kernel6.12", "kernel6.12-devel", "kernel6.12-modules-extra")
    )


def cuda_packages(cuda: str, patch: str) -> tuple[Package, ...]:
    dashed = cuda.replace(".", "-")
    return (
        rpm(f"cuda-toolkit-{dashed}", f"{cuda}.{patch}-1"),
        rpm(f"cuda-cudart-{dashed}", f"{cuda}.96-1"),
        rpm(f"libcublas-{dashed}", f"{cuda}.2.14-1"),
    )


def modules(driver: str, kernel: str) -> tuple[Module, ...]:
    release = f"{kernel}.x86_64"
    return (
        Module(name="nvidia", version=driver, kernel=release, dkms="installed"),
        *(
            Module(name=name, version=driver, kernel=release, vermagic=f"{release} SMP mod_unload")
            for name in ("nvidia", "nvidia_drm", "nvidia_modeset", "nvidia_uvm")
        ),
        Module(name="efa", version="2.17.3", kernel=release, vermagic=f"{release} SMP mod_unload"),
    )


def gpu(  # noqa: PLR0913, PLR0917 - what tests change
    driver: str = "580.105.08",
    cuda: str = "13.0",
    kernel: str = KERNEL,
    efa: str = "1.44.0",
    extra: tuple[Package, ...] = (),
    run: str = "20261101-000000-aaaa",
    image: str = "ami-0a",
) -> Manifest:
    """Give the manifest of a GPU image on Amazon Linux 2023."""
    release = f"{kernel}.x86_64"
    packages = (*driver_packages(driver), *kernel_packages(kernel), *cuda_packages(cuda, "2"))
    return Manifest(
        amiforge="0.1.0",
        run=run,
        region="us-east-1",
        recipe="eks_gpu",
        description="EKS nodes with GPUs",
        commit="0123456789ab",
        image=image,
        image_name=f"amiforge-eks_gpu-{run}",
        snapshots=("snap-1",),
        os="al2023",
        architecture="x86_64",
        source=ResolvedImage(
            ami="ami-source",
            name="al2023-ami-2023.9",
            owner="137112412989",
            architecture="x86_64",
            root_device="/dev/xvda",
            volumes=(),
            creation_date="2026-10-01T00:00:00.000Z",
        ),
        lineage=Lineage(),
        instance_type="m6i.4xlarge",
        builder={"instance_types": ["m6i.4xlarge"]},
        asked={},
        version_set="",
        options={
            "nvidia_driver": {"version": driver, "kernel_modules": "open", "fabric_manager": True},
            "nvidia_cuda": {"version": cuda},
            "aws_efa": {"version": efa},
        },
        components=(
            Component(task="nvidia_driver", title="NVIDIA driver", version=driver, source="nvidia.com"),
            Component(task="nvidia_driver", title="NVIDIA Fabric Manager", version=driver, source="nvidia.com"),
            Component(task="nvidia_cuda", title="CUDA toolkit", version=cuda, source="nvidia.com"),
            Component(task="aws_efa", title="EFA installer", version=efa, source="amazonaws.com"),
        ),
        artifacts=(
            Artifact(
                kind="file", url=f"https://efa-installer.amazonaws.com/aws-efa-installer-{efa}.tar.gz", digest=SHA
            ),
            Artifact(kind="key", url="https://nvidia.example.org/key.pub", digest="A" * 40),
        ),
        inventory=Inventory(
            os="Amazon Linux 2023",
            os_id="amzn",
            os_version="2023",
            kernel=release,
            default_kernel=release,
            packages=(
                *packages,
                rpm("glibc", "2.34-1.amzn2023"),
                rpm("glibc-common", "2.34-1.amzn2023", "glibc"),
                *extra,
            ),
            modules=modules(driver, kernel),
            repositories=(Repository(name="cuda", url="https://nvidia.example.org", keys=("A" * 40,)),),
            files=(File(path="/etc/sysctl.d/90-net.conf", sha256="aa", text="net.core.rmem_max = 1\n"),),
            units={"sshd.service": "enabled", "nvidia-fabricmanager.service": "enabled"},
        ),
        resources={"changed": 3},
        verification=Verification(outcome="passed"),
        steps=(),
        tasks=(),
        started="2026-11-01T00:00:00Z",
        finished="2026-11-01T00:20:00Z",
        seconds=1200,
    )
