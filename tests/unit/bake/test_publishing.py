"""Publishing in two or three regions of the sandbox's EC2, and what is there after each thing that can go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from amiforge.ec2.tags import COPY_OF, EXPIRES, FINGERPRINT
from amiforge.errors import AwsRefused, ConfigError, Parked, PublishIncomplete
from tests.unit.bake.shop import EU, HOME, PARTNER, PATH, REGIONS, SETTINGS, WEST, Shop
from tests.unit.sandbox.api.conftest import cloud, open_cloud  # noqa: F401
from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets


@pytest.fixture
def shop(cloud: Cloud) -> Shop:  # noqa: F811
    return Shop(cloud)


def everywhere(what: Any, regions: Sequence[str] = REGIONS) -> Mapping[str, Any]:
    return dict.fromkeys(regions, what)


def days_until(deprecation: str) -> int:
    return round((datetime.fromisoformat(deprecation) - datetime.now(UTC)) / timedelta(days=1))


def test_an_image_is_published_in_all_regions_with_all_that_belongs_to_it(shop: Shop) -> None:
    image = shop.bake()
    shop.publish(image)
    for region in REGIONS:
        here = shop.here(region, image)
        assert (here.stage, here.channels, here.imds) == ("published", ("stable",), "v2.0")
        assert (here.protection, days_until(here.deprecation)) == ("enabled-with-cooldown", 365)
        assert here.description == "image 1"
        assert shop.users(region, image) == [[PARTNER], [PARTNER]]
        for tags in (here.tags, shop.snapshot_tags(region, here)):
            assert tags[FINGERPRINT] == "f1"
            assert tags.get(COPY_OF) == (None if region == HOME else image)
            assert EXPIRES not in tags
    assert shop.pointers() == everywhere((image, ""))


def test_publishing_the_current_image_again_changes_nothing(shop: Shop) -> None:
    first, second = shop.bake(), shop.bake()
    shop.publish(first)
    shop.publish(second)
    assert shop.publish(second) == []
    assert shop.pointers() == everywhere((second, first))


def test_hooks_are_told_what_is_published_where_and_nothing_when_nothing_was_done(shop: Shop) -> None:
    first, second = shop.bake(), shop.bake()
    for image in (first, second, second):
        shop.publish(image)
    shop.rollback()
    assert [(notice.event, notice.image) for notice in shop.heard] == [
        ("published", each) for each in (first, second, first)
    ]
    assert (shop.heard[0].run, shop.heard[0].recipe) == ("run-1", "eks_gpu")
    assert shop.heard[0].published == {region: shop.here(region, first).id for region in REGIONS}


def test_what_was_current_is_superseded_and_stays(shop: Shop) -> None:
    first, second = shop.bake(), shop.bake()
    shop.publish(first)
    shop.publish(second)
    for region in REGIONS:
        was = shop.here(region, first)
        assert (was.stage, was.channels, was.state, days_until(was.deprecation)) == ("superseded", (), "available", 30)


def test_a_rollback_swaps_both_images_everywhere_and_another_one_swaps_them_back(shop: Shop) -> None:
    first, second = shop.bake(), shop.bake()
    shop.publish(first)
    shop.publish(second)
    shop.rollback()
    assert shop.pointers() == everywhere((first, second))
    for region in REGIONS:
        restored, left = shop.here(region, first), shop.here(region, second)
        assert (restored.stage, restored.deprecation, restored.channels) == ("published", "", ("stable",))
        assert (left.stage, days_until(left.deprecation), left.channels) == ("superseded", 30, ())
    shop.rollback()
    assert shop.pointers() == everywhere((second, first))


def test_a_promotion_moves_the_pointer_of_its_channel_and_copies_nothing(shop: Shop) -> None:
    first, second = shop.bake(), shop.bake()
    shop.publish(first)
    shop.promote(first, "prod")
    shop.publish(second)
    assert shop.pointers(PATH.replace("stable", "prod")) == everywhere((first, ""))
    assert shop.pointers() == everywhere((second, first))
    assert [len(shop.images(region)) for region in REGIONS] == [2, 2]
    here = shop.here(WEST, first)
    assert (here.stage, here.channels) == ("published", ("prod",)), "prod still names it"
    shop.promote(second, "prod")
    assert shop.here(WEST, first).stage == "superseded"


def test_a_copy_that_fails_in_one_region_publishes_nowhere_and_the_next_try_everywhere(shop: Shop) -> None:
    image, three = shop.bake(), (*REGIONS, EU)
    settings = SETTINGS.model_copy(update={"regions": (WEST, EU)})
    shop.fail(WEST, times=2)
    with pytest.raises(PublishIncomplete) as error:
        shop.publish(image, settings)
    assert f"failed in {WEST}" in error.value.message
    assert "Given key ID is not accessible" in error.value.lines["reason"]
    assert error.value.lines["done"] == EU
    assert shop.parameters(three) == everywhere("", three)
    assert [shop.users(region, image) for region in (HOME, EU)] == [[[], []]] * 2
    assert [shop.here(region, image).stage for region in (HOME, EU)] == ["verified", "candidate"]
    assert (shop.images(WEST), shop.snapshots(WEST)) == ([], 0), "no half of it is left"
    copy = shop.here(EU, image).id
    shop.publish(image, settings)
    assert shop.pointers(regions=three) == everywhere((image, ""), three)
    assert shop.here(EU, image).id == copy, "what was copied is not copied again"


def test_a_copy_that_fails_once_is_made_anew(shop: Shop) -> None:
    image = shop.bake()
    shop.fail(WEST)
    shop.publish(image)
    assert shop.pointers() == everywhere((image, ""))
    assert (shop.images(WEST), shop.snapshots(WEST)) == (["available"], 1)


@pytest.mark.parametrize("fault", [{"lost": True}, {"error": "RequestLimitExceeded"}])
def test_a_copy_whose_answer_is_lost_or_that_comes_too_soon_is_made_once(shop: Shop, fault: dict[str, Any]) -> None:
    image = shop.bake()
    shop.refuse("CopyImage", WEST, **fault)
    shop.publish(image)
    assert (shop.images(WEST), shop.snapshots(WEST)) == (["available"], 1)


def test_a_copy_that_takes_longer_is_waited_for_by_the_next_one_to_come(shop: Shop) -> None:
    image = shop.bake()
    shop.cloud.order(kind="late", what="copy", region=WEST, seconds=1.5, times=1)
    with pytest.raises(Parked, match=f"longer in {WEST}"):
        shop.publish(image, SETTINGS.model_copy(update={"copy_deadline": 0.5}))
    assert shop.parameters() == everywhere("")
    shop.publish(image)
    assert shop.images(WEST) == ["available"]
    assert shop.pointers() == everywhere((image, ""))


@pytest.mark.parametrize("operation", ["ModifySnapshotAttribute", "CopyImage"])
def test_no_pointer_moves_when_anything_before_is_refused(shop: Shop, operation: str) -> None:
    image = shop.bake()
    shop.refuse(operation, WEST)
    with pytest.raises(PublishIncomplete, match=WEST):
        shop.publish(image)
    assert shop.parameters() == everywhere("")
    shop.publish(image)
    assert shop.pointers() == everywhere((image, ""))


def test_a_pointer_that_is_refused_in_one_region_is_told_and_moved_by_the_next_try(shop: Shop) -> None:
    first, second = shop.bake(), shop.bake()
    shop.publish(first)
    shop.refuse("PutParameter", WEST, error="AccessDeniedException", skip=1)
    with pytest.raises(PublishIncomplete) as error:
        shop.publish(second)
    named = dict(line.split(": ") for line in error.value.lines["pointers"].splitlines())
    assert named == {region: shop.here(region, first if region == WEST else second).id for region in REGIONS}
    assert shop.here(HOME, second).stage == "verified"
    shop.publish(second)
    assert shop.pointers() == everywhere((second, first))


def test_an_interrupted_rollback_goes_on_in_its_direction(shop: Shop) -> None:
    first, second = shop.bake(), shop.bake()
    shop.publish(first)
    shop.publish(second)
    shop.refuse("PutParameter", WEST, error="AccessDeniedException", skip=1)
    with pytest.raises(PublishIncomplete):
        shop.rollback()
    assert {names[0] for names in shop.pointers().values()} == {first, second}
    shop.rollback()
    assert shop.pointers() == everywhere((first, second))


def test_no_pointer_moves_to_an_image_that_is_gone_from_one_region(shop: Shop) -> None:
    first, second = shop.bake(), shop.bake()
    settings = SETTINGS.model_copy(update={"protect": False})
    for image in (first, second):
        shop.publish(image, settings)
    before = shop.parameters()
    shop.client(WEST).deregister_image(ImageId=shop.here(WEST, first).id)
    with pytest.raises(ConfigError, match=f"not available in {WEST}; no pointer was moved"):
        shop.rollback()
    with pytest.raises(ConfigError, match=f"not available in {WEST}; no pointer was moved"):
        shop.promote(first, "prod")
    assert shop.parameters() == before


def test_what_was_current_and_is_gone_is_not_named_as_previous(shop: Shop) -> None:
    settings = SETTINGS.model_copy(update={"protect": False})
    first, second = shop.bake(), shop.bake()
    shop.publish(first, settings)
    shop.client(WEST).deregister_image(ImageId=shop.here(WEST, first).id)
    shop.publish(second, settings)
    assert shop.pointers() == {**everywhere((second, first)), WEST: (second, "")}


@pytest.mark.parametrize("state", ["candidate", "failed", "unverified", ""])
def test_what_is_not_proven_is_not_published(shop: Shop, state: str) -> None:
    with pytest.raises(ConfigError, match="unverified" if state == "unverified" else "not proven"):
        shop.publish(shop.bake(state))
    assert shop.images(WEST) == []


def test_an_unverified_image_is_published_by_request(shop: Shop) -> None:
    image = shop.bake("unverified")
    shop.publish(image, unverified=True)
    assert shop.pointers() == everywhere((image, ""))


def test_what_is_not_published_is_not_promoted(shop: Shop) -> None:
    image = shop.bake()
    with pytest.raises(ConfigError, match="is not published"):
        shop.promote(image, "prod")


def test_a_copy_that_nobody_else_could_read_is_refused_before_it_is_made(shop: Shop) -> None:
    image = shop.bake()
    shop.client(WEST).enable_ebs_encryption_by_default()
    with pytest.raises(ConfigError, match="AWS's own key") as error:
        shop.publish(image)
    assert error.value.lines["fix"] == f"name a key of your own: publish.kms_keys.{WEST}"
    assert shop.images(WEST) == []
    shop.publish(image, SETTINGS.model_copy(update={"accounts": ()}))
    assert shop.images(WEST) == ["available"]


def test_a_copy_is_encrypted_with_the_key_of_its_region(shop: Shop) -> None:
    image, kms = shop.bake(), shop.kms(WEST)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    shop.publish(image, SETTINGS.model_copy(update={"kms_keys": {WEST: key}}))
    (snapshot,) = shop.client(WEST).describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert (snapshot["Encrypted"], snapshot["KmsKeyId"]) == (True, key)
    assert shop.users(WEST, image) == [[PARTNER], [PARTNER]]


def test_a_key_that_does_not_exist_is_refused_before_anything_is_copied(shop: Shop) -> None:
    image = shop.bake()
    with pytest.raises(AwsRefused, match="DescribeKey"):
        shop.publish(image, SETTINGS.model_copy(update={"kms_keys": {WEST: "alias/nobodys"}}))
    assert shop.images(WEST) == []


def test_who_is_not_wanted_any_more_is_told_and_not_shut_out(shop: Shop) -> None:
    image = shop.bake()
    shop.publish(image)
    said = shop.publish(image, SETTINGS.model_copy(update={"accounts": ()}))
    assert said == [f"still shared with {PARTNER}, whom the settings do not name"]
    assert shop.users(WEST, image) == [[PARTNER], [PARTNER]]
