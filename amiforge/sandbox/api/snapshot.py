"""Snapshots of images as moto sees them, made from our records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from moto.ec2.models.elastic_block_store import Snapshot, Volume

from amiforge.sandbox.api.keys import default_key
from amiforge.sandbox.api.records import Device, ImageRecord

if TYPE_CHECKING:
    from amiforge.sandbox.api.images import Images


class ImageSnapshot(Snapshot):
    """The snapshot behind one device of an image; `status` is `pending` until the copy is finished."""

    def __init__(self, backend: Images, image: ImageRecord, device: Device) -> None:
        volume = Volume(backend, "vol-ffffffff", device.size, zone=None, encrypted=device.encrypted)  # type: ignore[abstract]
        super().__init__(
            backend,
            device.snapshot_id,
            volume,
            device.snapshot_description
            or image.description
            or f"Created by CreateImage({image.source_instance_id}) for {image.id}",
            encrypted=device.encrypted,
            kms_key_id=(device.key or default_key(backend)) if device.encrypted else None,
            owner_id=image.owner_id,
            from_ami=image.id,
        )
        self.start_time = image.created
        self.lasts = 0.0
        self.state_message: str | None = None
        self.under_default_key = device.encrypted and not device.key
        self.create_volume_permission_userids = set(device.volume_users)
        self.create_volume_permission_groups = set(device.volume_groups)
        self.add_tags(device.snapshot_tags)

    def settle(self, error: str) -> None:
        """Leave the state `pending`: it is completed, or in error for the given reason."""
        self.status = "error" if error else "completed"
        self.state_message = error or None

    @property
    def progress(self) -> str:
        """Give how much is copied, as far as anyone can say."""
        if self.status == "completed":
            return "100%"
        passed = (datetime.now(UTC) - self.start_time).total_seconds()
        return f"{min(99, int(100 * passed / self.lasts))}%" if self.lasts else "0%"
