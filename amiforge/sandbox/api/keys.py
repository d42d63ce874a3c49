"""KMS keys that encrypt volumes and snapshots, by the many names that they have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from moto.core.exceptions import JsonRESTError
from moto.kms import urls
from moto.kms.models import KmsBackend, kms_backends

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend

#: The AWS managed key for volumes; what it encrypts cannot be shared.
MANAGED = "alias/aws/ebs"


class Keys(KmsBackend):
    """KMS of one region: the keys behind `alias/aws/…` are AWS's own."""

    @property
    def _url_module(self) -> Any:
        return SimpleNamespace(url_bases=urls.url_bases, url_paths=urls.url_paths)

    def _generate_default_keys(self, alias_name: str) -> str | None:
        key_id = super()._generate_default_keys(alias_name)
        if key_id:
            self.keys[key_id].key_manager = "AWS"
        return key_id


def default_key(backend: EC2Backend) -> str:
    """Give the ARN of the AWS managed key for volumes in a region."""
    return kms_backends[backend.account_id][backend.region_name].describe_key(MANAGED).arn


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
