"""From the description of a source image to the one image that a bake starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from amiforge.ec2.refusal import code
from amiforge.ec2.session import Clients
from amiforge.ec2.source_image import SourceImage
from amiforge.errors import AwsRefused, SourceImageNotFound

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import DescribeImagesRequestPaginateTypeDef, ImageTypeDef


class Volume(BaseModel):
    """One EBS volume that instances of an image get."""

    model_config = ConfigDict(frozen=True)

    device: str
    gib: int


class ResolvedImage(BaseModel):
    """A source image as EC2 describes it; goes into the manifest as it is."""

    model_config = ConfigDict(frozen=True)

    ami: str
    name: str
    owner: str
    architecture: str
    root_device: str
    volumes: tuple[Volume, ...]
    creation_date: str
    boot_mode: str = ""
    ena: bool = False
    deprecated_since: str = ""
    parameter: str = ""
    parameter_version: int = 0

    @property
    def root_gib(self) -> int:
        """Size of the root volume in GiB; 0 where EC2 does not say."""
        return next((volume.gib for volume in self.volumes if volume.device == self.root_device), 0)


def resolve(clients: Clients, source: SourceImage) -> ResolvedImage:
    """Find the source image: by its id, else by its parameter, else the newest that bears the name.

    Raises:
        SourceImageNotFound: nothing answers the description; says what was tried.
        AwsRefused: AWS does not let us ask.
    """
    if source.ami:
        return _described(_by_id(clients, source.ami), source)
    if source.parameter:
        found = _parameter(clients, source.parameter)
        if found:
            ami, version = found
            image = _described(_by_id(clients, ami), source)
            return image.model_copy(update={"parameter": source.parameter, "parameter_version": version})
    if not source.name:
        raise SourceImageNotFound(
            f"there is no parameter {source.parameter or '(none given)'} in {clients.region}",
            fix="check source.parameter and --region, or give source.ami",
        )
    return _described(_newest(clients, source), source)


def _parameter(clients: Clients, name: str) -> tuple[str, int] | None:
    """Give a public parameter's value and version; None if there is no such parameter."""
    try:
        parameter = clients.ssm.get_parameter(Name=name)["Parameter"]
    except AwsRefused as error:
        if code(error) in {"ParameterNotFound", "ParameterVersionNotFound"}:
            return None
        raise
    return parameter["Value"], parameter["Version"]


def _by_id(clients: Clients, ami: str) -> ImageTypeDef:
    try:
        images = clients.ec2.describe_images(ImageIds=[ami], IncludeDeprecated=True)["Images"]
    except AwsRefused as error:
        if not code(error).startswith("InvalidAMIID"):
            raise
        if code(error) == "InvalidAMIID.Malformed":
            raise SourceImageNotFound(
                f"{ami!r} is no image id", fix="write source.ami as ami-0123456789abcdef0"
            ) from None
        images = []
    if not images:
        raise SourceImageNotFound(
            f"there is no image {ami} in {clients.region} that this account may use",
            reason="an image id counts in one region alone; a copy elsewhere has another id",
            look_up=f"aws ec2 describe-images --image-ids {ami} --include-deprecated --region REGION",
            fix="give --region where the image is, or leave source.ami out: parameter and name are right in any region",
        )
    return images[0]


def _newest(clients: Clients, source: SourceImage) -> ImageTypeDef:
    """Give the newest image of the name. The owner is never left out: anybody may publish under any name.

    AWS deprecates images within months. One that is named exactly may be; otherwise those count only when there is
    nothing else, as with the images of an older ParallelCluster.
    """
    if not source.owner:
        raise SourceImageNotFound(f"no owner is given for the image {source.name!r}", fix="give source.owner")
    exact = not set(source.name) & set("*?")
    images = _of_name(clients, source, deprecated=exact) or _of_name(clients, source, deprecated=True)
    if not images:
        raise SourceImageNotFound(
            f"no image of {source.owner} in {clients.region} is named {source.name!r} and is {source.architecture}",
            parameter=f"{source.parameter} does not exist there" if source.parameter else "",
            fix="check source.name, source.owner and --region",
        )
    return max(images, key=lambda image: (image["CreationDate"], image["ImageId"]))


def _of_name(clients: Clients, source: SourceImage, *, deprecated: bool) -> list[ImageTypeDef]:
    asked: DescribeImagesRequestPaginateTypeDef = {
        "Owners": [source.owner],
        "IncludeDeprecated": deprecated,
        "Filters": [
            {"Name": "name", "Values": [source.name]},
            {"Name": "architecture", "Values": [source.architecture]},
            {"Name": "state", "Values": ["available"]},
        ],
    }
    pages = clients.ec2.get_paginator("describe_images").paginate(**asked)
    return [image for page in pages for image in page["Images"]]


def _described(image: ImageTypeDef, source: SourceImage) -> ResolvedImage:
    ami, state, architecture = image["ImageId"], image["State"], image["Architecture"]
    if state != "available":
        raise SourceImageNotFound(
            f"the source image {ami} is {state}",
            reason=image.get("StateReason", {}).get("Message", ""),
            fix="choose an image that is available",
        )
    if architecture != source.architecture:
        raise SourceImageNotFound(
            f"the source image {ami} is {architecture}, and the recipe wants {source.architecture}",
            fix="set source.architecture, or choose another image",
        )
    mappings = image.get("BlockDeviceMappings", [])
    return ResolvedImage(
        ami=ami,
        name=image.get("Name", ""),
        owner=image["OwnerId"],
        architecture=architecture,
        root_device=image["RootDeviceName"],
        volumes=tuple(
            Volume(device=mapping["DeviceName"], gib=mapping["Ebs"].get("VolumeSize", 0))
            for mapping in mappings
            if "Ebs" in mapping
        ),
        creation_date=image["CreationDate"],
        boot_mode=image.get("BootMode", ""),
        ena=image.get("EnaSupport", False),
        deprecated_since=image.get("DeprecationTime", ""),
    )
