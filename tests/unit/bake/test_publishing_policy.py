"""The IAM policy has every call that publishing makes, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from amiforge.ec2.policy import Place
from amiforge.ec2.publication.policy import publishing
from amiforge.errors import PublishIncomplete
from amiforge.settings import PublishSettings
from tests.unit.bake.shop import KIND, SETTINGS, WEST, Shop
from tests.unit.bake.test_publishing import shop  # noqa: F401
from tests.unit.sandbox.api.conftest import cloud, open_cloud  # noqa: F401

#: What a bake is allowed anyway, of which EC2 cannot be told on what.
LOOKS = {"ec2:DescribeImages", "ec2:DescribeSnapshots"}
#: Asked of encrypted images only; or checked for tags on the way, without a call of its own.
SOMETIMES = {"ec2:GetEbsDefaultKmsKeyId", "kms:DescribeKey", "ssm:AddTagsToResource"}


def allowed(settings: PublishSettings) -> set[str]:
    return {action for each in publishing(settings, Place(), KIND) for action in each.actions}


@pytest.mark.sockets
def test_all_calls_of_publishing_are_those_of_the_policy(shop: Shop) -> None:  # noqa: F811
    called: set[str] = set()

    def hear(model: Any, **_: Any) -> None:
        called.add(f"{model.service_model.service_name}:{model.name}")

    first, second = shop.bake(), shop.bake()
    for clients in shop.clients.values():
        for client in (clients.ec2, clients.once, clients.ssm):
            client.meta.events.register("before-call", hear)
    shop.fail(WEST, times=2)
    with pytest.raises(PublishIncomplete):
        shop.publish(first)
    shop.publish(first)
    shop.publish(second)
    shop.rollback()
    assert called - LOOKS == allowed(SETTINGS) - SOMETIMES


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({}, set()),
        (
            {"protect": True},
            {
                "ec2:DescribeImageAttribute",
                "ec2:DescribeSnapshotAttribute",
                "ec2:EnableImageDeregistrationProtection",
            },
        ),
        (
            {"pointer": "/p", "supersede_days": 0},
            {
                "ec2:DescribeImageAttribute",
                "ec2:DescribeSnapshotAttribute",
                "ec2:DisableImageDeprecation",
                "ssm:AddTagsToResource",
                "ssm:GetParameter",
                "ssm:PutParameter",
            },
        ),
    ],
)
def test_what_is_not_wanted_needs_no_permission(settings: dict[str, Any], needed: set[str]) -> None:
    assert allowed(PublishSettings.model_validate(settings)) == needed


def test_only_the_recipes_own_pointer_and_the_keys_named_may_be_used() -> None:
    settings = SETTINGS.model_copy(update={"kms_keys": {"us-west-2": "alias/images"}})
    found = {each.step: each for each in publishing(settings, Place("us-east-1", "1"), KIND)}
    assert found["MovePointer"].resources == tuple(
        f"arn:aws:ssm:*:1:parameter/images/eks_gpu/al2023/x86_64/stable/{name}" for name in ("current", "previous")
    )
    assert found["UseKeyUsWest2"].resources == ("arn:aws:kms:us-west-2:1:key/*",)
    assert "alias/images" in str(found["UseKeyUsWest2"].condition)
