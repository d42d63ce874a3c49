"""EC2's operations on images and snapshots, where moto's answers are not EC2's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError

from amiforge.sandbox.api.calls import Calls
from amiforge.sandbox.api.copies import CopyRequest
from amiforge.sandbox.api.image import SandboxImage
from amiforge.sandbox.api.images import ImageRequest


class ImageCalls(Calls):
    """Images and snapshots."""

    def create_image(self) -> ActionResult:
        """Begin an image of an instance."""
        tags = self.tags("image", "snapshot")
        self.error_on_dryrun()
        wanted = ImageRequest(
            name=self._get_param("Name"),
            description=self._get_param("Description", ""),
            devices=self._get_param("BlockDeviceMappings", []),
            tags=tags,
            reboot=not self._get_param("NoReboot"),
        )
        image = self.region_backend.freeze(self._get_param("InstanceId"), wanted)
        return ActionResult({"ImageId": image.id})

    def register_image(self) -> ActionResult:
        """Refuse: there is nothing an instance of such an image could boot."""
        raise NotImplementedError("RegisterImage")

    def copy_image(self) -> ActionResult:
        """Begin a copy of an image in another region, or in this one."""
        said = {key: value for key, value in self.params.items() if key not in ("ClientToken", "DryRun")}
        wanted = CopyRequest(
            source_id=self._get_param("SourceImageId"),
            source_region=self._get_param("SourceRegion"),
            name=self._get_param("Name"),
            description=self._get_param("Description", ""),
            encrypted=bool(self._get_param("Encrypted")),
            key=self._get_param("KmsKeyId", ""),
            tags=self.tags("image", "snapshot"),
            with_tags=bool(self._get_param("CopyImageTags")),
            token=self._get_param("ClientToken", ""),
            parameters=json.dumps(said, sort_keys=True, default=str),
        )
        image_id = self.region_backend.copy(wanted, dry_run=bool(self._get_param("DryRun")))
        self.error_on_dryrun()
        return ActionResult({"ImageId": image_id})

    def describe_images(self) -> ActionResult:
        """Describe, page by page if asked to."""
        found: list[SandboxImage] = cast("Any", super().describe_images().result)["Images"]
        if not self._get_param("IncludeDisabled"):
            found = [image for image in found if image.state != "disabled"]
        if not self._get_param("IncludeDeprecated") and "ImageIds" not in self.params:
            found = [image for image in found if not self._outdated(image)]
        return self.page("Images", self.known(found, "id"))

    def _outdated(self, image: SandboxImage) -> bool:
        """Whether it is somebody else's and deprecated; an owner always sees his own."""
        past = image.deprecated is not None and image.deprecated <= datetime.now(UTC)
        return past and image.owner_id != self.current_account

    def deregister_image(self) -> ActionResult:
        """Deregister, and delete the snapshots if asked to."""
        self.error_on_dryrun()
        image_id = self._get_param("ImageId")
        image = self.region_backend.amis.get(image_id)
        if isinstance(image, SandboxImage) and image.protected:
            raise EC2ClientError(
                "OperationNotPermitted",
                f"The image '{image_id}' may not be deregistered, because its deregistration protection is enabled or "
                "was so in the last 24 hours.",
            )
        snapshots = self.region_backend.own_snapshots(image_id) if self._get_param("DeleteAssociatedSnapshots") else []
        self.region_backend.deregister_image(image_id)
        for snapshot in snapshots:
            self.region_backend.delete_snapshot(snapshot.id)
        deleted = [{"SnapshotId": snapshot.id, "ReturnCode": "success"} for snapshot in snapshots]
        return ActionResult({"Return": True, "DeleteSnapshotResults": deleted or None})

    def describe_snapshots(self) -> ActionResult:
        """Describe, of the owners asked for."""
        found = cast("Any", super().describe_snapshots().result)["Snapshots"]
        found = self.known(found, "id")
        owners = [self.current_account if owner == "self" else owner for owner in self._get_param("OwnerIds", [])]
        return self.page("Snapshots", [one for one in found if not owners or one.owner_id in owners])

    def describe_volumes(self) -> ActionResult:
        """Describe, page by page if asked to."""
        return self.page("Volumes", cast("Any", super().describe_volumes().result)["Volumes"])
