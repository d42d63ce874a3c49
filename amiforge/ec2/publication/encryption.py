"""Whether everybody an image is shared with can use it: what AWS's own keys encrypt, other accounts cannot read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from amiforge.ec2.publication.plan import Publication
from amiforge.ec2.refusal import code
from amiforge.ec2.session import Clients, open_session, translate_failures
from amiforge.errors import AwsRefused, ConfigError
from amiforge.settings import AwsSettings

_OWN_KEY = "alias/aws/ebs"

#: Tells whether a KMS key of a region is AWS's own.
KeyOfAws = Callable[[Clients, str], bool]


def ask_kms(settings: AwsSettings) -> KeyOfAws:
    """Give what asks KMS. A key that may not be asked about is taken for somebody's own: EC2 will tell."""

    def key_of_aws(clients: Clients, key: str) -> bool:
        session = open_session(settings)
        kms = session.client("kms", region_name=clients.region, endpoint_url=settings.endpoint_url or None)
        translate_failures(kms.meta.events, None)
        try:
            return bool(kms.describe_key(KeyId=key)["KeyMetadata"].get("KeyManager") == "AWS")
        except AwsRefused as error:
            if code(error) != "AccessDeniedException":
                raise
            return False

    return key_of_aws


def refuse_unshareable(publication: Publication, regions: Mapping[str, Clients], key_of_aws: KeyOfAws) -> None:
    """Make sure, before anything is copied, that no image to be shared is encrypted with a key of AWS's own.

    Source: EC2 user guide, "Share an AMI with specific AWS accounts"; EBS user guide, "Default KMS key".

    Raises:
        ConfigError: one is, or its copy would be.
    """
    if not publication.principals:
        return
    encrypted = [*_keys(publication, regions[publication.image.region])]
    for key in encrypted:
        if key.endswith(_OWN_KEY) or key_of_aws(regions[publication.image.region], key):
            raise ConfigError(
                f"{publication.image.id} is encrypted with {key}, AWS's own key, so it cannot be shared",
                fix="bake it with builder.kms_key",
            )
    for region in publication.regions[1:]:
        key = publication.settings.kms_keys.get(region) or _default_key(regions[region], bool(encrypted))
        if key and (key.endswith(_OWN_KEY) or key_of_aws(regions[region], key)):
            raise ConfigError(
                f"a copy in {region} would be encrypted with {key}, AWS's own key, so it cannot be shared",
                fix=f"name a key of your own: publish.kms_keys.{region}",
            )


def _keys(publication: Publication, home: Clients) -> Iterator[str]:
    """Give the keys that encrypt the image itself."""
    snapshots = list(publication.image.snapshots)
    found = home.ec2.describe_snapshots(SnapshotIds=snapshots)["Snapshots"] if snapshots else []
    yield from {snapshot.get("KmsKeyId") or _OWN_KEY: None for snapshot in found if snapshot.get("Encrypted")}


def _default_key(clients: Clients, encrypted: bool) -> str:
    """Give the key that a copy is encrypted with when none is named; empty when it is not encrypted at all."""
    if encrypted or clients.ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"]:
        return clients.ec2.get_ebs_default_kms_key_id()["KmsKeyId"]
    return ""
