"""What the account itself says of volumes and images in the region."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from amiforge.ec2.preflight.finding import Finding, Unasked, ask, fact, warning
from amiforge.ec2.preflight.services import Services

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import GetAllowedImagesSettingsResultTypeDef

_ENCRYPTION = "EBS encryption by default"
_PUBLIC = "public images"
_ALLOWED = "Allowed AMIs"


def judge_encryption(services: Services) -> Iterator[Finding]:
    """Say whether the account encrypts volumes by itself; a builder's volumes are encrypted in any case."""
    answer = ask(lambda: services.clients.ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"])
    if isinstance(answer, Unasked):
        yield answer.finding(_ENCRYPTION)
    else:
        yield fact(_ENCRYPTION, f"{'on' if answer else 'off'}; a builder's volumes are encrypted in any case")


def judge_public_access(services: Services) -> Iterator[Finding]:
    """Say whether images may be made public; a baked one is private."""
    answer = ask(lambda: services.clients.ec2.get_image_block_public_access_state()["ImageBlockPublicAccessState"])
    if isinstance(answer, Unasked):
        yield answer.finding(_PUBLIC)
    else:
        yield fact(_PUBLIC, f"{answer}; a baked image is private")


def look_allowed(services: Services) -> GetAllowedImagesSettingsResultTypeDef | Unasked:
    """Ask which images the account may use."""
    return ask(services.clients.ec2.get_allowed_images_settings)


def judge_allowed(settings: GetAllowedImagesSettingsResultTypeDef, *, found: bool) -> Iterator[Finding]:
    """Say which images the account may use, and that this may be why the source image was not found.

    An account's own images are always allowed. Source: GetAllowedImagesSettings, EC2 API reference.
    """
    state = settings.get("State", "disabled")
    providers = {name for each in settings.get("ImageCriteria", []) for name in each.get("ImageProviders", [])}
    limits = f": {', '.join(sorted(providers))}" if state != "disabled" and providers else ""
    if state == "enabled" and not found:
        detail = f"enabled{limits}; of all others EC2 says that they do not exist"
        keeper = settings.get("ManagedBy", "account").replace("-", " ")
        yield warning(_ALLOWED, detail, f"have the source image's owner added (kept by: {keeper})", "source")
    else:
        yield fact(_ALLOWED, f"{state}{limits}")
