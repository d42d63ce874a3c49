"""EC2's operations on images and snapshots, where moto's answers are not EC2's."""

from __future__ import annotations

from typing import Any, cast

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError

from amiforge.sandbox.api.calls import Calls
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
        """Refuse: the sandbox has no second place to copy to."""
        raise NotImplementedError("CopyImage")

    def describe_images(self) -> ActionResult:
        """Describe, page by page if asked to."""
        found = self.known(cast("Any", super().describe_images().result)["Images"], "id")
        return self.page("Images", found)

    def deregister_image(self) -> ActionResult:
        """Deregister, and delete the snapshots if asked to."""
        self.error_on_dryrun()
        image_id = self._get_param("ImageId")
        snapshots = self.region_backend.own_snapshots(image_id) if self._get_param("DeleteAssociatedSnapshots") else []
        self.region_backend.deregister_image(image_id)
        for snapshot in snapshots:
            self.region_backend.delete_snapshot(snapshot.id)
        deleted = [{"SnapshotId": snapshot.id, "ReturnCode": "success"} for snapshot in snapshots]
        return ActionResult({"Return": True, "DeleteSnapshotResults": deleted or None})

    def modify_image_attribute(self) -> ActionResult:
        """Change description, IMDS support or launch permissions."""
        image = self._own_image()
        named = {self._get_param("Attribute"): self._get_param("Value")}
        description = self._get_param("Description.Value", named.get("description"))
        imds = self._get_param("ImdsSupport.Value", named.get("imdsSupport"))
        if imds not in (None, "v2.0"):
            raise EC2ClientError("InvalidParameterValue", f"Value ({imds}) for parameter imdsSupport is invalid.")
        self.error_on_dryrun()
        if description is not None:
            image.description = description
        if imds is not None:
            image.imds_support = imds
        return super().modify_image_attribute()

    def describe_image_attribute(self) -> ActionResult:
        """Give one attribute; moto knows all but one."""
        if self._get_param("Attribute") != "imdsSupport":
            return super().describe_image_attribute()
        image = self._own_image()
        return ActionResult({"ImageId": image.id, "ImdsSupport": {"Value": image.imds_support}})

    def _own_image(self) -> SandboxImage:
        image = self.region_backend.describe_images([self._get_param("ImageId")])
        if not image or image[0].owner_id != self.current_account:
            raise EC2ClientError("AuthFailure", f"Not authorized for image:{self._get_param('ImageId')}")
        return cast("SandboxImage", image[0])

    def describe_snapshots(self) -> ActionResult:
        """Describe, of the owners asked for."""
        found = cast("Any", super().describe_snapshots().result)["Snapshots"]
        found = self.known(found, "id")
        owners = [self.current_account if owner == "self" else owner for owner in self._get_param("OwnerIds", [])]
        return self.page("Snapshots", [one for one in found if not owners or one.owner_id in owners])

    def describe_volumes(self) -> ActionResult:
        """Describe, page by page if asked to."""
        return self.page("Volumes", cast("Any", super().describe_volumes().result)["Volumes"])
