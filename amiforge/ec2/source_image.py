"""Which image a bake starts from, as data. Resolving it is `amiforge.ec2.resolve`'s work."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Arch = Literal["x86_64", "arm64"]


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


def eks_image(
    kubernetes: str = "1.34",
    accelerator: Literal["standard", "nvidia", "neuron"] = "nvidia",
    architecture: Arch = "x86_64",
) -> SourceImage:
    """Give the newest EKS-optimized AL2023 image of a Kubernetes minor version.

    Source: Amazon EKS user guide, "Retrieve recommended Amazon Linux AMI IDs"; owner from awslabs/amazon-eks-ami.
    """
    return SourceImage(
        parameter=f"/aws/service/eks/optimized-ami/{kubernetes}/amazon-linux-2023/{architecture}/{accelerator}"
        "/recommended/image_id",
        name=f"amazon-eks-node-al2023-{architecture}-{accelerator}-{kubernetes}-v*",
        owner="602401143452",
        architecture=architecture,
    )


def al2023_image(kernel: str = "6.12", architecture: Arch = "x86_64") -> SourceImage:
    """Give the newest plain Amazon Linux 2023 image with a kernel line.

    Source: Amazon Linux 2023 user guide, "Launching AL2023 using SSM parameters".
    """
    return SourceImage(
        parameter=f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-{kernel}-{architecture}",
        name=f"al2023-ami-2023.*-kernel-{kernel}-{architecture}",
        owner="amazon",
        architecture=architecture,
    )
