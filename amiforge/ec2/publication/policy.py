"""What publishing has to be allowed besides what a bake is, and nothing that the settings do not need.

Which actions know which resources and conditions: Service Authorization Reference, "Amazon EC2", "AWS Systems Manager",
"AWS Key Management Service".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from amiforge.ec2.policy import OURS, Condition, Place, Statement, use_of_key
from amiforge.ec2.publication.plan import pointer_path
from amiforge.settings import PublishSettings


def publishing(settings: PublishSettings, place: Place, tags: Mapping[str, str]) -> tuple[Statement, ...]:
    """Give what publishing has to be allowed.

    Args:
        settings: what is wanted.
        place: where images are baked.
        tags: of the images, as far as the pointer's path needs them.
    """
    if not settings.wanted:
        return ()
    where = replace(place, region="*") if settings.regions else place
    return (
        *(_copies(settings, where) if settings.regions else ()),
        *_sharing(settings, where),
        *_attributes(settings, where),
        *(_pointer(settings, where, tags) if settings.pointer else ()),
    )


def _copies(settings: PublishSettings, where: Place) -> Iterator[Statement]:
    both = where.ec2("image/*", "snapshot/*")
    by_copying: Condition = {"StringEquals": {"ec2:CreateAction": "CopyImage"}}
    # The image that is copied and the one that is made are of one kind: no condition fits both.
    yield Statement("Copy", ("ec2:CopyImage",), both)
    yield Statement("TagCopy", ("ec2:CreateTags",), both, by_copying)
    yield Statement("MarkCopy", ("ec2:CreateTags", "ec2:DeleteTags"), both, OURS)
    yield Statement("FinishCopy", ("ec2:DeregisterImage", "ec2:ModifyImageAttribute"), where.ec2("image/*"), OURS)
    yield Statement("DeleteCopy", ("ec2:DeleteSnapshot",), where.ec2("snapshot/*"), OURS)
    for region, key in settings.kms_keys.items():
        there = replace(where, region=region)
        name = "".join(part.capitalize() for part in region.split("-"))
        yield from (replace(each, step=f"{each.step}{name}") for each in use_of_key(key, there))


def _sharing(settings: PublishSettings, where: Place) -> Iterator[Statement]:
    yield Statement("SeeSharing", ("ec2:DescribeImageAttribute",), where.ec2("image/*"), OURS)
    volumes = ["ec2:DescribeSnapshotAttribute"]
    if settings.accounts:
        volumes.append("ec2:ModifySnapshotAttribute")
    yield Statement("ShareSnapshots", tuple(volumes), where.ec2("snapshot/*"), OURS)
    if settings.accounts or settings.organizations or settings.organizational_units:
        yield Statement("SeeKeys", ("kms:DescribeKey",), (where.arn("kms", "key/*"),))
        if settings.regions:
            asked = ("ec2:GetEbsDefaultKmsKeyId", "ec2:GetEbsEncryptionByDefault")
            yield Statement("SeeDefaultKeys", asked, ("*",))


def _attributes(settings: PublishSettings, where: Place) -> Iterator[Statement]:
    wanted = {
        "ec2:EnableImageDeprecation": settings.deprecate_days or (settings.pointer and settings.supersede_days),
        "ec2:DisableImageDeprecation": settings.deprecate_days or settings.pointer,
        "ec2:EnableImageDeregistrationProtection": settings.protect,
    }
    if actions := tuple(action for action, needed in wanted.items() if needed):
        yield Statement("KeepImages", actions, where.ec2("image/*"), OURS)


def _pointer(settings: PublishSettings, where: Place, tags: Mapping[str, str]) -> Iterator[Statement]:
    path = pointer_path(settings, tags)
    names = tuple(where.arn("ssm", f"parameter{path}/{name}") for name in ("current", "previous"))
    yield Statement("MovePointer", ("ssm:AddTagsToResource", "ssm:GetParameter", "ssm:PutParameter"), names)
