"""The images of one region: available or not, made of instances, known by unique names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from moto.ec2.exceptions import EC2ClientError, InvalidAMIIdError
from moto.ec2.models import EC2Backend
from moto.ec2.utils import random_ami_id

from amiforge.sandbox.api.account import Account
from amiforge.sandbox.api.image import SandboxImage, devices_of
from amiforge.sandbox.api.keys import default_key
from amiforge.sandbox.api.records import ImageRecord, now
from amiforge.sandbox.api.snapshot import ImageSnapshot

_IMAGE_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What CreateImage asks for.

    Attributes:
        name: of the image, unique in account and region.
        description: of the image and its snapshots.
        devices: block device mappings that differ from the instance's.
        tags: by resource type, `image` and `snapshot`.
        reboot: whether a running machine is shut down for the copy.
    """

    name: str
    description: str
    devices: list[dict[str, Any]]
    tags: dict[str, dict[str, str]]
    reboot: bool


class Images(EC2Backend):
    """EC2 of one region as far as images go. All methods run under the account's lock."""

    account: Account
    public_images_blocked: bool = True

    def _load_amis(self) -> None:
        """Load none of moto's invented images."""

    def _create_default_encryption_key(self) -> str:
        self.default_kms_key_id = default_key(self)
        return self.default_kms_key_id

    def image(self, image_id: str) -> SandboxImage:
        """Find an image that can be launched.

        Raises:
            EC2ClientError: there is none, or it is not available.
        """
        if not re.fullmatch(r"ami-[0-9a-z]+", image_id or ""):
            raise EC2ClientError("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')
        image = self.amis.get(image_id)
        if not isinstance(image, SandboxImage):
            raise InvalidAMIIdError(image_id)
        if image.state != "available":
            raise EC2ClientError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is not available")
        return image

    def freeze(self, instance_id: str, wanted: ImageRequest) -> SandboxImage:
        """Begin to make an image of an instance.

        Raises:
            EC2ClientError: the instance is not in a state for it, or the name is not allowed or not free.
        """
        instance = self.get_instance(instance_id)
        if instance.state not in ("running", "stopped"):
            raise EC2ClientError("InvalidParameterValue", "Instance is not in state 'running' or 'stopped'")
        self._check_image_name(wanted.name)
        life = self.account.lives[instance.id]
        image_id, snapshot_tags = random_ami_id(), wanted.tags.get("snapshot", {})
        record = ImageRecord(
            id=image_id,
            name=wanted.name,
            description=wanted.description,
            created=now(),
            layers=(image_id, *life.layers),
            devices=tuple(replace(one, snapshot_tags=snapshot_tags) for one in devices_of(instance, wanted.devices)),
            region=self.region_name,
            architecture=instance.architecture,
            root_device=instance.root_device_name,
            source_instance_id=instance.id,
            source_image_id=instance.image_id,
            imds_support=getattr(self.amis.get(instance.image_id), "imds_support", None),
            tags=wanted.tags.get("image", {}),
        )
        image = self.register(record)
        life.copy(image, reboot=wanted.reboot)
        self.account.news.made("image", image.id)
        return image

    def _check_image_name(self, name: str) -> None:
        if not _IMAGE_NAME.fullmatch(name or ""):
            raise EC2ClientError(
                "InvalidAMIName.Malformed",
                "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, spaces "
                "and ( ) [ ] . / - ' @ _",
            )
        for image in self.amis.values():
            if image.owner_id == self.account_id and image.name == name:
                raise EC2ClientError("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {image.id}")

    def register(self, record: ImageRecord) -> SandboxImage:
        """Make an image of the account's own known from its record, or only its snapshots if it is deregistered."""
        image = SandboxImage(self, record)
        self.account.images[record.id] = image
        for device in record.devices:
            if device.snapshot_deleted:
                del self.snapshots[device.snapshot_id]
        if not record.deregistered:
            self.amis[record.id] = image
        return image

    def deregister_image(self, ami_id: str) -> None:
        """Deregister an image of the account's own."""
        image = self.amis.get(ami_id)
        if image and image.owner_id != self.account_id:
            raise EC2ClientError("AuthFailure", f"Not authorized for image:{ami_id}")
        super().deregister_image(ami_id)

    def own_snapshots(self, image_id: str) -> list[ImageSnapshot]:
        """List the snapshots that belong to an image."""
        return [
            snap for snap in self.snapshots.values() if isinstance(snap, ImageSnapshot) and snap.from_ami == image_id
        ]
