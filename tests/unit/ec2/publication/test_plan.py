"""What publishing means, as a value: nothing here talks to anybody."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from amiforge.ec2.publication.plan import plan, pointer_path
from amiforge.ec2.publication.regional_image import RegionalImage
from amiforge.ec2.tags import ARCH, COPY_OF, OS, RECIPE, STATE
from amiforge.errors import ConfigError
from amiforge.settings import PublishSettings

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TAGS = {RECIPE: "eks_gpu", OS: "al2023", ARCH: "x86_64", STATE: "verified"}
IMAGE = RegionalImage("us-east-1", "ami-1", tags=TAGS)
OU = "arn:aws:organizations::111122223333:ou/o-1/ou-1"


def wanted(**settings: Any) -> PublishSettings:
    return PublishSettings.model_validate(settings)


def test_every_region_has_its_steps_in_order() -> None:
    settings = wanted(
        regions=["us-west-2", "us-east-1"],
        kms_keys={"us-west-2": "alias/images"},
        accounts=["111122223333"],
        organizational_units=[OU],
        pointer="/images/{recipe}/{channel}",
        channel="prod",
        deprecate_days=10,
        protect=True,
    )
    publication = plan(IMAGE, settings, NOW)
    assert publication.regions == ("us-east-1", "us-west-2")
    home = [
        "IMDSv2 required, tags on image and snapshots",
        "deprecated from 2026-12-03",
        "protected from being deregistered",
        f"shared with 111122223333, {OU}",
        "named by /images/eks_gpu/prod/current",
    ]
    assert [*publication.steps("us-east-1")] == home
    assert [*publication.steps("us-west-2")] == ["a copy encrypted with alias/images", *home]


def test_without_settings_an_image_stays_where_it_is() -> None:
    assert [*plan(IMAGE, wanted(), NOW).steps("us-east-1")] == ["IMDSv2 required, tags on image and snapshots"]


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("", ""),
        ("/images/current-one", "/images/current-one"),
        ("/a/{recipe}/{os}/{arch}/{channel}", "/a/eks_gpu/al2023/x86_64/stable"),
    ],
)
def test_the_path_of_a_pointer_is_filled_in_from_the_images_tags(template: str, path: str) -> None:
    assert pointer_path(wanted(pointer=template), TAGS) == path


@pytest.mark.parametrize(
    ("template", "tags", "said"),
    [
        ("/a/{version}", TAGS, "no field {version}"),
        ("/a/{recipe}", {}, "the image has no tag amiforge:recipe"),
        ("/a b/c", TAGS, "no name of a parameter"),
        ("/aws/images", TAGS, "no name of a parameter"),
        ("/a" * 15, TAGS, "no name of a parameter"),
    ],
)
def test_an_impossible_pointer_is_refused(template: str, tags: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        pointer_path(wanted(pointer=template), tags)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kms_keys": {"eu-west-1": "k"}}, "where no copy is made"),
        ({"kms_keys": {"us-east-1": "k"}}, "where the image is baked"),
    ],
)
def test_a_key_for_a_region_without_a_copy_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plan(IMAGE, wanted(**settings), NOW)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (RegionalImage("us-east-1", "ami-1", state="pending", tags=TAGS), "is pending"),
        (RegionalImage("us-east-1", "ami-2", tags={**TAGS, COPY_OF: "ami-1"}), "is a copy"),
    ],
)
def test_what_is_no_finished_image_is_refused(image: RegionalImage, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plan(image, wanted(), NOW)
