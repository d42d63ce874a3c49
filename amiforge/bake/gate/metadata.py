"""What EC2 must say of an image, each statement with the reason when it says something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from amiforge.bake.gate.statements import Statement
from amiforge.bake.run import Run

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import ImageTypeDef


def metadata(run: Run) -> Iterator[Statement]:
    """State that the image is private, asks for IMDSv2, and has volumes and tags as they were ordered."""
    image = run.clients.ec2.describe_images(ImageIds=[run.image.id])["Images"][0]
    yield Statement("the image is private", "everybody may launch it" * bool(image.get("Public")))
    support = image.get("ImdsSupport", "")
    yield Statement("the image asks for IMDSv2", f"its ImdsSupport is {support or 'not set'}" * (support != "v2.0"))
    yield Statement("the image is of the wanted kind", ", ".join(_kind(image, run)))
    yield Statement("its volumes are as wanted", ", ".join(_volumes(image, run)))
    yield Statement("its tags are as wanted", ", ".join(_untagged(run, image)))


def _kind(image: ImageTypeDef, run: Run) -> Iterator[str]:
    source = run.source
    wanted = (("Architecture", source.architecture), ("BootMode", source.boot_mode), ("EnaSupport", source.ena))
    for name, value in wanted:
        if value and image.get(name) != value:
            yield f"{name} is {image.get(name)}, and {value} in the source image"


def _volumes(image: ImageTypeDef, run: Run) -> Iterator[str]:
    wanted = max(run.recipe.builder.volume_gib, run.source.root_gib)
    volumes = {each["DeviceName"]: each["Ebs"] for each in image["BlockDeviceMappings"] if "Ebs" in each}
    root = volumes.get(image.get("RootDeviceName", ""))
    if root is None:
        yield "there is no root volume"
    elif wanted and root.get("VolumeSize") != wanted:
        yield f"the root volume has {root.get('VolumeSize')} GiB, and {wanted} are wanted"
    for device, volume in volumes.items():
        if not volume.get("Encrypted"):
            yield f"{device} is not encrypted"
        if not volume.get("DeleteOnTermination", True):
            yield f"{device} outlives its instance"


def _untagged(run: Run, image: ImageTypeDef) -> Iterator[str]:
    wanted = {**run.tags.extra, **run.provenance}
    snapshots = run.clients.ec2.describe_snapshots(SnapshotIds=list(run.image.snapshots))["Snapshots"]
    for name, thing in ((image["ImageId"], image), *((each["SnapshotId"], each) for each in snapshots)):
        there = _tags(thing)
        missing = [key for key, value in wanted.items() if there.get(key) != value]
        if missing:
            yield f"{name} lacks {', '.join(missing)}"


def _tags(thing: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags", ())}
