"""The source image: that it is there, may be used, and fits the builder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from amiforge.ec2.preflight.finding import Finding, Unasked, ask, fact, problem, warning
from amiforge.ec2.preflight.services import Services
from amiforge.ec2.resolve import ResolvedImage, resolve
from amiforge.ec2.source_image import SourceImage
from amiforge.errors import SourceImageNotFound

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import ImageTypeDef

_TITLE = "source image"


@dataclass(frozen=True, slots=True)
class Source:
    """The source image, and what a bake does not need to know of it.

    Attributes:
        image: as a bake sees it.
        root: `ebs`, or `instance-store`.
        encrypted: a snapshot of it is.
        key: ARN of the KMS key that encrypts it; empty if EC2 does not say.
        allowed: what the account's Allowed AMIs say of it; None where they are off.
        products: its AWS Marketplace product codes.
    """

    image: ResolvedImage
    root: str = "ebs"
    encrypted: bool = False
    key: str = ""
    allowed: bool | None = None
    products: tuple[str, ...] = ()


def look(services: Services, source: SourceImage) -> Source | SourceImageNotFound | Unasked:
    """Find the source image as a bake does, and ask what else there is to know of it."""

    def find() -> Source | SourceImageNotFound:
        try:
            image = resolve(services.clients, source)
        except SourceImageNotFound as error:
            return error
        ec2 = services.clients.ec2
        found = ec2.describe_images(ImageIds=[image.ami], IncludeDeprecated=True)["Images"][0]
        snapshot = _root_snapshot(found)
        key = ask(lambda: ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0].get("KmsKeyId", ""))
        return _source(image, found, "" if isinstance(key, Unasked) else key)

    return ask(find)


def _source(image: ResolvedImage, found: ImageTypeDef, key: str) -> Source:
    mappings = found.get("BlockDeviceMappings", [])
    return Source(
        image,
        root=found.get("RootDeviceType", "ebs"),
        encrypted=any(m["Ebs"].get("Encrypted", False) for m in mappings if "Ebs" in m),
        key=key,
        allowed=found.get("ImageAllowed"),
        products=tuple(code["ProductCodeId"] for code in found.get("ProductCodes", [])),
    )


def _root_snapshot(image: ImageTypeDef) -> str:
    mappings = image.get("BlockDeviceMappings", [])
    found = (m.get("Ebs", {}).get("SnapshotId", "") for m in mappings if m["DeviceName"] == image.get("RootDeviceName"))
    return next(found, "")


def place(source: SourceImage) -> str:
    """Name the option that decides which image it is."""
    return next(f"source.{name}" for name in ("ami", "parameter", "name") if getattr(source, name) or name == "name")


def judge_missing(error: SourceImageNotFound, where: str) -> Iterator[Finding]:
    """Say that there is none, and why."""
    reasons = [text for label, text in error.lines.items() if label not in {"fix", "code"} and text]
    yield problem(_TITLE, "; ".join((error.message, *reasons)), error.lines.get("fix", "choose another"), where)


def judge(source: Source, volume_gib: int, where: str, now: datetime) -> Iterator[Finding]:
    """Say what the source image is, and what speaks against it."""
    image = source.image
    boot, ena = image.boot_mode or "default", "yes" if image.ena else "no"
    named = f"{image.ami} {image.name}, {image.architecture}, boot mode {boot}, ENA {ena}, root {image.root_gib} GiB"
    encryption = f", encrypted with {source.key or 'a key that EC2 does not name'}" if source.encrypted else ""
    yield fact(_TITLE, f"{named}{encryption}, made {image.creation_date[:10]} by {image.owner}", where)
    if source.root == "instance-store":
        yield problem(_TITLE, f"{image.ami} has an instance-store root", "choose one with an EBS root", where)
    if image.deprecated_since and datetime.fromisoformat(image.deprecated_since) <= now.astimezone(UTC):
        detail = f"{image.ami} is deprecated since {image.deprecated_since[:10]}"
        yield warning(_TITLE, detail, "choose a newer one; this one may be gone any day", where)
    if source.allowed is False:
        detail = f"{image.ami} is none of the account's Allowed AMIs, which only audit today"
        yield warning(_TITLE, detail, "have its owner added to the account's Allowed AMIs", where)
    if source.products:
        detail = f"{image.ami} is an AWS Marketplace product ({', '.join(source.products)})"
        yield warning(_TITLE, detail, "accept its terms in AWS Marketplace before the bake", where)
    if 0 < volume_gib < image.root_gib:
        detail = f"{volume_gib} GiB are less than the source image has; the builder gets {image.root_gib} GiB"
        yield warning("root volume", detail, "give 0, or more than the source image has", "builder.volume_gib")
