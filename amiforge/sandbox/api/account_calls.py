"""EC2's settings of a whole account in a region, as a new account has them."""

from __future__ import annotations

from moto.core.responses import ActionResult

from amiforge.sandbox.api.calls import Calls


class AccountCalls(Calls):
    """What is said of all images and volumes of the account."""

    def get_ebs_default_kms_key_id(self) -> ActionResult:
        """Give the key that volumes are encrypted with when none is named."""
        return ActionResult({"KmsKeyId": "alias/aws/ebs"})

    def get_image_block_public_access_state(self) -> ActionResult:
        """Say whether images can be made public: in a new account they cannot."""
        state = "block-new-sharing" if self.region_backend.public_images_blocked else "unblocked"
        return ActionResult({"ImageBlockPublicAccessState": state, "ManagedBy": "account"})

    def enable_image_block_public_access(self) -> ActionResult:
        """Let no image of the region become public."""
        self.region_backend.public_images_blocked = True
        return ActionResult({"ImageBlockPublicAccessState": "block-new-sharing"})

    def disable_image_block_public_access(self) -> ActionResult:
        """Let images of the region become public."""
        self.region_backend.public_images_blocked = False
        return ActionResult({"ImageBlockPublicAccessState": "unblocked"})

    def get_snapshot_block_public_access_state(self) -> ActionResult:
        """Say that snapshots can be made public."""
        return ActionResult({"State": "unblocked", "ManagedBy": "account"})

    def get_allowed_images_settings(self) -> ActionResult:
        """Say that every image may be used."""
        return ActionResult({"State": "disabled", "ImageCriteria": [], "ManagedBy": "account"})
