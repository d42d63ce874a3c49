"""KMS keys that encrypt volumes and snapshots, by the many names that they have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moto.core.exceptions import JsonRESTError
from moto.kms.models import kms_backends

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend

#: The AWS managed key for volumes; what it encrypts cannot be shared.
MANAGED = "alias/aws/ebs"


def default_key(backend: EC2Backend) -> str:
    """Give the ARN of the AWS managed key for volumes in a region."""
    if not backend.default_kms_key_id:
        backend._create_default_encryption_key()  # noqa: SLF001 - moto has no public way
    return backend.default_kms_key_id


def usable_key(backend: EC2Backend, name: str) -> str:
    """Give the ARN of a key that can be used in a region, or nothing for the AWS managed one.

    Args:
        backend: EC2 of the region.
        name: id, alias or ARN; nothing for the AWS managed key.

    Raises:
        LookupError: there is no such key in the region, or it is not enabled.
    """
    if name in ("", MANAGED):
        return ""
    region = name.split(":")[3] if name.startswith("arn:") else backend.region_name
    try:
        key = kms_backends[backend.account_id][backend.region_name].describe_key(name)
    except (KeyError, AttributeError, JsonRESTError):  # moto has the second for an unknown alias
        key = None
    if key is None or region != backend.region_name or key.key_state != "Enabled":
        raise LookupError(name)
    return "" if key.arn == default_key(backend) else key.arn


def key_of_volume(backend: EC2Backend, name: str | None) -> str:
    """Give the ARN of the key of a volume as far as it is known, or nothing for the AWS managed one."""
    try:
        return usable_key(backend, name or "")
    except LookupError:
        return name or ""
