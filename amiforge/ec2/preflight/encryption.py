"""The KMS key of the root volume: that it is there and can be used, and what it means for sharing the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from amiforge.ec2.preflight.finding import Finding, Unasked, ask, fact, problem, warning
from amiforge.ec2.preflight.services import Services

_TITLE = "encryption key"
_WHERE = "builder.kms_key"


@dataclass(frozen=True, slots=True)
class Key:
    """A KMS key, in KMS's own words."""

    arn: str
    state: str
    usage: str
    spec: str
    keeper: str

    @property
    def region(self) -> str:
        """Give the region it is in."""
        return self.arn.split(":")[3]


def look(services: Services, key: str) -> Key | Unasked:
    """Describe a key, by id, ARN, or alias."""

    def describe() -> Key:
        found = services.kms.describe_key(KeyId=key)["KeyMetadata"]
        return Key(
            found["Arn"], found["KeyState"], found["KeyUsage"], found.get("KeySpec", ""), found.get("KeyManager", "")
        )

    return ask(describe)


def default_key(services: Services) -> str | Unasked:
    """Give the key that EBS takes where none is named."""
    return ask(lambda: services.clients.ec2.get_ebs_default_kms_key_id()["KmsKeyId"])


def judge_unasked(answer: Unasked, key: str) -> Iterator[Finding]:
    """Say that a key is not known, or that its description is not for the caller."""
    if "NotFoundException" in answer.why:
        yield problem(_TITLE, f"there is no key {key}: {answer.why}", "check the id or alias, and --region", _WHERE)
    else:
        yield answer.finding(_TITLE, _WHERE)


def judge(key: Key, region: str) -> Iterator[Finding]:
    """Say whether volumes can be encrypted with a key.

    Whether EC2 may make the grant it needs is up to the key's policy, which nobody can be asked about without making
    one. Source: EBS user guide, "Requirements for Amazon EBS encryption".
    """
    if key.state != "Enabled":
        fix = "enable it, or cancel its deletion, or give another"
        yield problem(_TITLE, f"{key.arn} is {key.state}, so nothing can be encrypted with it", fix, _WHERE)
    if (key.usage, key.spec) != ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT"):
        detail = f"{key.arn} is for {key.usage} with {key.spec}; EBS takes symmetric keys for encryption only"
        yield problem(_TITLE, detail, "give a symmetric encryption key", _WHERE)
    if key.region != region:
        detail = f"{key.arn} is in {key.region}, and the bake in {region}"
        yield problem(_TITLE, detail, "give a key of the region", _WHERE)
    if key.keeper == "AWS":
        yield fact(_TITLE, f"{key.arn} is AWS's own: images encrypted with it cannot be shared with other accounts")
        return
    yield fact(_TITLE, key.arn, _WHERE)
    yield warning(
        _TITLE,
        "whether its policy lets EC2 use it for the caller cannot be asked",
        "its policy must allow the caller kms:CreateGrant with kms:GrantIsForAWSResource, and the actions that"
        " `--policy` lists; otherwise a launched instance ends at once with Client.InternalError",
        _WHERE,
    )


def judge_default(key: str) -> Iterator[Finding]:
    """Say which key is taken where none is named."""
    if key.endswith("alias/aws/ebs"):
        detail = f"the account's default, {key}: images encrypted with it cannot be shared with other accounts"
        yield fact(_TITLE, detail, _WHERE)
    else:
        yield fact(_TITLE, f"the account's default, {key}", _WHERE)
