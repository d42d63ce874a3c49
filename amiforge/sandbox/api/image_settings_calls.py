"""EC2's operations on what is said of an image: whom it is shared with, how long it is used, whether it may go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError

from amiforge.sandbox.api.calls import Calls
from amiforge.sandbox.api.image import SandboxImage
from amiforge.sandbox.api.records import Protection, now
from amiforge.sandbox.api.snapshot import ImageSnapshot

#: How long an image is still protected after a protection with cooldown is disabled.
_COOLDOWN = timedelta(hours=24)
_YEAR = timedelta(days=365)
_PERMISSIONS = {
    "UserIds": "UserId",
    "UserGroups": "Group",
    "OrganizationArns": "OrganizationArn",
    "OrganizationalUnitArns": "OrganizationalUnitArn",
}
_PUBLIC = (
    "You can't publicly share this image because block public access for AMIs is enabled for this account. To publicly "
    "share the image, you must call the DisableImageBlockPublicAccess API."
)


class ImageSettingsCalls(Calls):
    """Attributes of images and snapshots, deprecation, protection."""

    def modify_image_attribute(self) -> ActionResult:
        """Change description, IMDS support or launch permissions."""
        image = self.own_image()
        named = {self._get_param("Attribute"): self._get_param("Value")}
        description = self._get_param("Description.Value", named.get("description"))
        imds = self._get_param("ImdsSupport.Value", named.get("imdsSupport"))
        if imds not in (None, "v2.0"):
            raise EC2ClientError("InvalidParameterValue", f"Value ({imds}) for parameter imdsSupport is invalid.")
        added, removed = self._permissions("Add"), self._permissions("Remove")
        self.region_backend.validate_permission_targets([*added, *removed])
        self._check_sharing(image, added)
        self.error_on_dryrun()
        if description is not None:
            image.description = description
        if imds is not None:
            image.imds_support = imds
        image.launch_permissions += [one for one in added if one not in image.launch_permissions]
        image.launch_permissions = [one for one in image.launch_permissions if one not in removed]
        return EmptyResult()

    def _permissions(self, change: str) -> list[dict[str, str]]:
        """Give the launch permissions to add or to remove, in either of the two forms that EC2 takes."""
        given: list[dict[str, str]] = list(self._get_param(f"LaunchPermission.{change}", []))
        if self._get_param("OperationType") == change.lower():
            given += [{name: value} for key, name in _PERMISSIONS.items() for value in self._get_param(key, [])]
        return given

    def _check_sharing(self, image: SandboxImage, added: list[dict[str, str]]) -> None:
        if not added:
            return
        if image.state == "disabled":
            raise EC2ClientError("InvalidAMIID.Unavailable", f"The image ID '{image.id}' is disabled")
        if {"Group": "all"} in added and self.region_backend.public_images_blocked:
            raise EC2ClientError("OperationNotPermitted", _PUBLIC)
        if any(snapshot.under_default_key for snapshot in image.snapshots):
            raise EC2ClientError(
                "InvalidParameter",
                "Snapshots encrypted with the AWS Managed CMK can't be shared. Specify another snapshot.",
            )

    def describe_image_attribute(self) -> ActionResult:
        """Give one attribute; moto knows all but these."""
        names = {
            "imdsSupport": "imds_support",
            "lastLaunchedTime": "last_launched_time",
            "deregistrationProtection": "deregistration_protection",
        }
        image, name = self.own_image(), self._get_param("Attribute")
        if name not in names:
            return super().describe_image_attribute()
        value = getattr(image, names[name])
        return ActionResult({"ImageId": image.id, name[0].upper() + name[1:]: {"Value": value} if value else {}})

    def enable_image_deprecation(self) -> ActionResult:
        """Say from when on an image is deprecated, to the minute."""
        image, when = self.own_image(), _time(self._get_param("DeprecateAt"))
        last = image.creation_date + 2 * _YEAR if image.is_public else datetime.now(UTC) + 10 * _YEAR
        if not datetime.now(UTC) <= when <= last + timedelta(days=3):  # leap days
            raise EC2ClientError(
                "InvalidParameterValue", f"The deprecation time {when:%Y-%m-%dT%H:%M:%SZ} is in the past or too late."
            )
        image.deprecated = (when + timedelta(seconds=30)).replace(second=0, microsecond=0)
        return ActionResult({"Return": True})

    def disable_image_deprecation(self) -> ActionResult:
        """Say that an image is not deprecated, or any more."""
        self.own_image().deprecated = None
        return ActionResult({"Return": True})

    def enable_image_deregistration_protection(self) -> ActionResult:
        """Protect an image from being deregistered."""
        kind: Protection = "enabled-with-cooldown" if self._get_param("WithCooldown") else "enabled-without-cooldown"
        image = self.own_image()
        image.deregistration_protection, image.protected_until = kind, None
        return ActionResult({"Return": kind})

    def disable_image_deregistration_protection(self) -> ActionResult:
        """Protect an image no longer, or for 24 hours yet."""
        image = self.own_image()
        if image.deregistration_protection == "enabled-with-cooldown":
            image.protected_until = now() + _COOLDOWN
        image.deregistration_protection = "disabled"
        return ActionResult({"Return": "disabled"})

    def disable_image(self) -> ActionResult:
        """Let nobody launch an image; those it was shared with lose it."""
        image = self.own_image()
        if image.state not in ("available", "disabled"):
            raise EC2ClientError("InvalidAMIID.Unavailable", f"The image ID '{image.id}' is not available")
        image.state, image.launch_permissions = "disabled", []
        return ActionResult({"Return": True})

    def enable_image(self) -> ActionResult:
        """Let a disabled image be launched again."""
        image = self.own_image()
        if image.state == "disabled":
            image.state = "available"
        return ActionResult({"Return": True})

    def modify_snapshot_attribute(self) -> ActionResult:
        """Change who may make volumes of a snapshot."""
        snapshot = self._own_snapshot()
        users, groups = self._volume_permissions("Add")
        if (users or groups) and snapshot.under_default_key:
            raise EC2ClientError("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared")
        self.error_on_dryrun()
        backend = self.region_backend
        backend.add_create_volume_permission(snapshot.id, users, groups)
        backend.remove_create_volume_permission(snapshot.id, *self._volume_permissions("Remove"))
        return EmptyResult()

    def _volume_permissions(self, change: str) -> tuple[list[str], list[str]]:
        """Give users and groups to add or to remove, in either of the two forms that EC2 takes."""
        given: list[dict[str, str]] = self._get_param(f"CreateVolumePermission.{change}", [])
        users = [one["UserId"] for one in given if "UserId" in one]
        groups = [one["Group"] for one in given if "Group" in one]
        if self._get_param("OperationType") == change.lower():
            users += self._get_param("UserIds", [])
            groups += self._get_param("GroupNames", [])
        return users, groups

    def describe_snapshot_attribute(self) -> ActionResult:
        """Give who may make volumes of a snapshot."""
        self._own_snapshot()
        return super().describe_snapshot_attribute()

    def own_image(self) -> SandboxImage:
        """Find the account's image that the request names.

        Raises:
            EC2ClientError: there is none, or it is somebody else's.
        """
        image_id = self._get_param("ImageId")
        found = self.region_backend.describe_images([image_id])
        if not found:
            raise EC2ClientError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is no longer available")
        if found[0].owner_id != self.current_account:
            raise EC2ClientError("AuthFailure", f"Not authorized for image:{image_id}")
        return cast("SandboxImage", found[0])

    def _own_snapshot(self) -> ImageSnapshot:
        snapshot_id = self._get_param("SnapshotId")
        found = cast("Any", self.region_backend.get_snapshot(snapshot_id))
        if found.owner_id != self.current_account:
            raise EC2ClientError("AuthFailure", f"Not authorized for snapshot:{snapshot_id}")
        return cast("ImageSnapshot", found)


def _time(given: Any) -> datetime:
    when = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    return when if when.tzinfo else when.replace(tzinfo=UTC)
