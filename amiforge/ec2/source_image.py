"""Which image a bake starts from, as data. Resolving it is `amiforge.ec2.resolve`'s work."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Arch = Literal["x86_64", "arm64"]

_CANONICAL = "099720109477"
_USERS = MappingProxyType({"al2023": "ec2-user", "amzn2": "ec2-user", "ubuntu2204": "ubuntu", "ubuntu2404": "ubuntu"})
_UBUNTU = MappingProxyType({"ubuntu2204": ("22.04", "jammy"), "ubuntu2404": ("24.04", "noble")})
_DEBIAN_ARCH = MappingProxyType({"x86_64": "amd64", "arm64": "arm64"})
_PARALLELCLUSTER = MappingProxyType(
    {"al2023": "amzn2023", "amzn2": "amzn2", "ubuntu2204": "ubuntu-2204-lts", "ubuntu2404": "ubuntu-2404-lts"}
)
_DLAMI = MappingProxyType(
    {
        "al2023": ("amazon-linux-2023", "Amazon Linux 2023"),
        "ubuntu2204": ("ubuntu-22.04", "Ubuntu 22.04"),
        "ubuntu2404": ("ubuntu-24.04", "Ubuntu 24.04"),
    }
)
_NEURON_DLAMI = MappingProxyType(
    {
        "al2023": ("base/amazon-linux-2023", "Deep Learning Base Neuron AMI (Amazon Linux 2023) *"),
        "ubuntu2404": ("multi-framework/ubuntu-24.04", "Deep Learning AMI Neuron (Ubuntu 24.04) *"),
    }
)


class SourceImage(BaseModel):
    """A source image, by exactly one of: an image id, a public SSM parameter, or name filter and owner.

    A parameter may carry a name filter and owner beside it, which are used where the parameter does not exist.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    ami: str = Field("", description="image id, as ami-0123456789abcdef0; wins over everything else")
    parameter: str = Field("", description="public SSM parameter that holds an image id")
    name: str = Field("", description="image name with * wildcards; the newest match is taken")
    owner: str = Field("", description="owner of the named image: account id or alias (amazon, self); never left out")
    architecture: Arch = Field("x86_64", description="what the image must be")
    os: str = Field("al2023", description="operating system on it: al2023, amzn2, ubuntu2204, ubuntu2404")
    user: str = Field("ec2-user", description="login user of the image")
    slurm: str = Field("", description="folder of the Slurm that the image brings along; empty for none")


def user_of(os: str) -> str:
    """Give the login user of an operating system's own images; EC2's usual one for others."""
    return _USERS.get(os, "ec2-user")


def _image(os: str, architecture: Arch, *, name: str, owner: str = "amazon", parameter: str = "") -> SourceImage:
    return SourceImage(parameter=parameter, name=name, owner=owner, architecture=architecture, os=os, user=_USERS[os])


def al2023_image(kernel: str = "6.12", architecture: Arch = "x86_64") -> SourceImage:
    """Give the newest plain Amazon Linux 2023 image with a kernel line.

    Source: Amazon Linux 2023 user guide, "Launching AL2023 using SSM parameters".
    """
    parameter = f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-{kernel}-{architecture}"
    return _image("al2023", architecture, name=f"al2023-ami-2023.*-kernel-{kernel}-{architecture}", parameter=parameter)


def amzn2_image(architecture: Arch = "x86_64") -> SourceImage:
    """Give the newest plain Amazon Linux 2 image with kernel 5.10.

    Source: Amazon Linux 2 user guide; its support ended on 2026-06-30.
    """
    parameter = f"/aws/service/ami-amazon-linux-latest/amzn2-ami-kernel-5.10-hvm-{architecture}-gp2"
    return _image(
        "amzn2", architecture, name=f"amzn2-ami-kernel-5.10-hvm-2.0.*-{architecture}-gp2", parameter=parameter
    )


def ubuntu_image(os: Literal["ubuntu2204", "ubuntu2404"] = "ubuntu2404", architecture: Arch = "x86_64") -> SourceImage:
    """Give the newest plain Ubuntu server image.

    Source: Canonical, "Find Ubuntu images on AWS".
    """
    (version, codename), arch = _UBUNTU[os], _DEBIAN_ARCH[architecture]
    disk, folder = ("gp2", "hvm-ssd") if os == "ubuntu2204" else ("gp3", "hvm-ssd-gp3")
    return _image(
        os,
        architecture,
        parameter=f"/aws/service/canonical/ubuntu/server/{version}/stable/current/{arch}/hvm/ebs-{disk}/ami-id",
        name=f"ubuntu/images/{folder}/ubuntu-{codename}-{version}-{arch}-server-*",
        owner=_CANONICAL,
    )


def eks_image(
    kubernetes: str = "1.34",
    accelerator: Literal["standard", "nvidia", "neuron"] = "nvidia",
    architecture: Arch = "x86_64",
) -> SourceImage:
    """Give the newest EKS-optimized AL2023 image of a Kubernetes minor version.

    Source: Amazon EKS user guide, "Retrieve recommended Amazon Linux AMI IDs"; owner from awslabs/amazon-eks-ami.
    """
    return _image(
        "al2023",
        architecture,
        parameter=f"/aws/service/eks/optimized-ami/{kubernetes}/amazon-linux-2023/{architecture}/{accelerator}"
        "/recommended/image_id",
        name=f"amazon-eks-node-al2023-{architecture}-{accelerator}-{kubernetes}-v*",
        owner="602401143452",
    )


def eks_ubuntu_image(kubernetes: str = "1.34", architecture: Arch = "x86_64") -> SourceImage:
    """Give Canonical's newest Ubuntu 24.04 image for EKS nodes, which has no driver.

    Source: Canonical, "Ubuntu EKS". The name pattern of these images is not documented, so there is only the parameter.
    """
    arch = _DEBIAN_ARCH[architecture]
    parameter = f"/aws/service/canonical/ubuntu/eks/24.04/{kubernetes}/stable/current/{arch}/hvm/ebs-gp3/ami-id"
    return _image("ubuntu2404", architecture, parameter=parameter, name="", owner=_CANONICAL)


def pcluster_image(os: str = "al2023", version: str = "3.15.1", architecture: Arch = "x86_64") -> SourceImage:
    """Give an official ParallelCluster image; its version must be that of the `pcluster` that makes the cluster.

    There are no SSM parameters for these. Source: AWS ParallelCluster user guide, "pcluster list-official-images".
    """
    name = f"aws-parallelcluster-{version}-{_PARALLELCLUSTER[os]}-hvm-{architecture}-*"
    return _image(os, architecture, name=name).model_copy(update={"slurm": "/opt/slurm"})


def dlami_image(os: str = "al2023", architecture: Arch = "x86_64") -> SourceImage:
    """Give the newest Deep Learning Base image with the open NVIDIA driver.

    The names of x86_64 and arm64 images differ in more than the architecture; that of arm64 is not confirmed, so there
    is only the parameter. Source: AWS Deep Learning AMIs developer guide, release notes.
    """
    slug, title = _DLAMI[os]
    name = f"Deep Learning Base OSS Nvidia Driver GPU AMI ({title}) *" if architecture == "x86_64" else ""
    parameter = f"/aws/service/deeplearning/ami/{architecture}/base-oss-nvidia-driver-gpu-{slug}/latest/ami-id"
    return _image(os, architecture, name=name, parameter=parameter)


def dlami_neuron_image(os: str = "ubuntu2404") -> SourceImage:
    """Give the newest Deep Learning image for Neuron: with frameworks on Ubuntu, without on Amazon Linux 2023.

    Source: AWS Neuron documentation, "Neuron DLAMI overview".
    """
    path, name = _NEURON_DLAMI[os]
    return _image(os, "x86_64", name=name, parameter=f"/aws/service/neuron/dlami/{path}/latest/image_id")
