"""Copies of images from one region into another: images of their own, on the same frozen file systems."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Event, Thread

from moto.ec2.exceptions import EC2ClientError, InvalidParameterDependency
from moto.ec2.models import ec2_backends
from moto.ec2.utils import random_ami_id, random_snapshot_id

from amiforge.sandbox.api.faults import Pause, matches
from amiforge.sandbox.api.image import SandboxImage
from amiforge.sandbox.api.images import Images
from amiforge.sandbox.api.keys import usable_key
from amiforge.sandbox.api.records import Device, ImageRecord, now
from amiforge.sandbox.faults import FailedCopy

#: Seconds a copy takes at least.
_COPYING = 0.2
_NO_KEY = "Given key ID is not accessible"


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What CopyImage asks for.

    Attributes:
        source_id: of the image to copy.
        source_region: where that is.
        name: of the copy, unique in account and region.
        description: of the copy.
        encrypted: whether its snapshots are encrypted, also if those of the source are not.
        key: id, alias or ARN of the KMS key for them; nothing for the account's default one.
        tags: by resource type, `image` and `snapshot`.
        with_tags: whether the source's tags are copied, too.
        token: the client token.
        parameters: all of the request but the token, as text.
    """

    source_id: str
    source_region: str
    name: str
    description: str
    encrypted: bool
    key: str
    tags: dict[str, dict[str, str]]
    with_tags: bool
    token: str
    parameters: str


class Copies(Images):
    """EC2 of one region as far as copies of images go. All methods run under the account's lock."""

    #: The request and the image that each client token of CopyImage stands for.
    tokens: dict[str, tuple[str, str]]

    def register(self, record: ImageRecord) -> SandboxImage:
        """Make an image known from its record, and the token that it was copied by."""
        if record.token:
            self.tokens[record.token] = record.token_for, record.id
        return super().register(record)

    def original(self, wanted: CopyRequest) -> SandboxImage:
        """Find what is to be copied.

        Raises:
            EC2ClientError: there is no such region or image, or it is not available.
        """
        try:
            there = ec2_backends[self.account_id][wanted.source_region]
        except KeyError:
            raise EC2ClientError("InvalidParameterValue", f"Invalid region '{wanted.source_region}'.") from None
        assert isinstance(there, Images)  # noqa: S101 - every region here is ours
        return there.image(wanted.source_id)

    def copy(self, wanted: CopyRequest, *, dry_run: bool = False) -> str:
        """Begin to copy an image into this region, and give the copy's id; the same token gives the same copy again.

        Raises:
            EC2ClientError: the token was used for something else, the source cannot be copied, or the name is not
                allowed or not free.
        """
        if wanted.token in self.tokens and not dry_run:
            parameters, image_id = self.tokens[wanted.token]
            if parameters != wanted.parameters:
                raise EC2ClientError(
                    "IdempotentParameterMismatch", "The client token was used before with other parameters"
                )
            return image_id
        source = self.original(wanted)
        self._check_image_name(wanted.name)
        if wanted.key and not wanted.encrypted:
            raise InvalidParameterDependency("KmsKeyId", "Encrypted")
        return "" if dry_run else self._begin(source, wanted)

    def _begin(self, source: SandboxImage, wanted: CopyRequest) -> str:
        try:
            key, error = usable_key(self, wanted.key), ""
        except LookupError:
            key, error = "", _NO_KEY
        image = self.register(self._record(source, wanted, key))
        pause = self.account.faults.late("copy", self.region_name)
        if failed := self.account.faults.take(FailedCopy, lambda fault: matches(fault.region, self.region_name)):
            error = failed[0].reason
        pause = replace(pause, seconds=pause.seconds + _COPYING)
        image.pend(pause.seconds)
        Thread(target=self._finish, args=(image, pause, error), daemon=True).start()
        self.account.news.made("image", image.id)
        return image.id

    def _finish(self, image: SandboxImage, pause: Pause, error: str) -> None:
        pause.wait(Event())
        with self.account.lock:
            if image.state == "pending":
                image.settle(error)
                self.account.save()

    def _record(self, source: SandboxImage, wanted: CopyRequest, key: str) -> ImageRecord:
        """Give the record of a copy: neither permissions nor attributes are copied."""
        image_id, original = random_ami_id(), source.current()
        kept = original.tags if wanted.with_tags and source.owner_id == self.account_id else {}
        return ImageRecord(
            id=image_id,
            name=wanted.name,
            description=wanted.description,
            created=now(),
            layers=original.layers,
            devices=tuple(_device(image_id, source.id, one, wanted, key) for one in original.devices),
            region=self.region_name,
            architecture=original.architecture,
            root_device=original.root_device,
            source_image_id=source.id,
            source_image_region=wanted.source_region,
            tags={**kept, **wanted.tags.get("image", {})},
            token=wanted.token,
            token_for=wanted.parameters,
        )


def _device(image_id: str, source_id: str, original: Device, wanted: CopyRequest, key: str) -> Device:
    return replace(
        original,
        snapshot_id=random_snapshot_id(),
        snapshot_tags=wanted.tags.get("snapshot", {}),
        snapshot_deleted=False,
        snapshot_description=(
            f"Copied for DestinationAmi {image_id} from SourceAmi {source_id} for SourceSnapshot "
            f"{original.snapshot_id}. Task created on {int(datetime.now(UTC).timestamp() * 1000):,}."
        ),
        encrypted=wanted.encrypted or original.encrypted,
        key=key,
        volume_users=(),
        volume_groups=(),
    )
