from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from moto.ec2.models import ec2_backends

from amiforge.ec2.resolve import resolve
from amiforge.ec2.source_image import SourceImage, al2023_image, eks_image
from amiforge.errors import SourceImageNotFound
from tests.unit.ec2.cloud import REGION, Cloud

MINE = SourceImage(name="al2023-ami-*", owner="123456789012")
PARAMETER = "/org/ami/base"


def add(name: str, **facts: Any) -> str:
    """Add an image to the account."""
    image = ec2_backends["123456789012"][REGION].register_image(name)
    for key, value in {"architecture": "x86_64", **facts}.items():
        setattr(image, key, value)
    return str(image.id)


def test_an_id_wins_over_everything_else(cloud: Cloud) -> None:
    other = add("other")
    assert resolve(cloud.clients, MINE.model_copy(update={"ami": other, "parameter": PARAMETER})).ami == other


def test_a_parameter_wins_over_the_name_and_is_recorded_with_its_version(cloud: Cloud) -> None:
    other = add("other")
    cloud.clients.ssm.put_parameter(Name=PARAMETER, Value=cloud.source, Type="String")
    cloud.clients.ssm.put_parameter(Name=PARAMETER, Value=other, Type="String", Overwrite=True)
    found = resolve(cloud.clients, MINE.model_copy(update={"parameter": PARAMETER}))
    assert (found.ami, found.parameter, found.parameter_version) == (other, PARAMETER, 2)


def test_a_parameter_that_is_not_there_falls_back_to_the_name(cloud: Cloud) -> None:
    found = resolve(cloud.clients, MINE.model_copy(update={"parameter": PARAMETER}))
    assert (found.ami, found.parameter) == (cloud.source, "")


def test_the_newest_of_a_name_is_taken(cloud: Cloud) -> None:
    add("al2023-ami-2023.8", creation_date=datetime(2020, 1, 1, tzinfo=UTC))
    newest = add("al2023-ami-2023.10", creation_date=datetime(2099, 1, 1, tzinfo=UTC))
    add("al2023-ami-2023.7", creation_date=datetime(2021, 1, 1, tzinfo=UTC))
    assert resolve(cloud.clients, MINE).ami == newest


def test_images_that_are_not_available_or_of_another_architecture_do_not_count(cloud: Cloud) -> None:
    add("al2023-ami-2023.10", creation_date=datetime(2099, 1, 1, tzinfo=UTC), state="pending")
    add("al2023-ami-2023.11", creation_date=datetime(2099, 1, 1, tzinfo=UTC), architecture="arm64")
    assert resolve(cloud.clients, MINE).ami == cloud.source


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (SourceImage(name="al2023-ami-*"), "no owner is given"),
        (SourceImage(name="nothing-*", owner="123456789012"), "no image of 123456789012"),
        (SourceImage(parameter=PARAMETER), "there is no parameter /org/ami/base in us-east-1"),
        (SourceImage(ami="ami-0123456789abcdef0"), "ami-0123456789abcdef0"),
        (SourceImage(ami="nonsense"), "'nonsense' is no image id"),
    ],
)
def test_what_cannot_be_found_says_what_was_tried_and_what_helps(cloud: Cloud, source: SourceImage, said: str) -> None:
    with pytest.raises(SourceImageNotFound, match=said) as caught:
        resolve(cloud.clients, source)
    assert caught.value.lines["fix"]


def test_a_pinned_image_of_the_wrong_architecture_is_refused(cloud: Cloud) -> None:
    arm = add("arm", architecture="arm64")
    with pytest.raises(SourceImageNotFound, match="is arm64, and the recipe wants x86_64"):
        resolve(cloud.clients, SourceImage(ami=arm))


def test_a_pinned_image_that_is_not_available_is_refused(cloud: Cloud) -> None:
    with pytest.raises(SourceImageNotFound, match="is failed"):
        resolve(cloud.clients, SourceImage(ami=add("broken", state="failed")))


class Deprecated:
    """What EC2 does and moto does not: deprecated images are told of only on request."""

    def __init__(self, cloud: Cloud, *images: str) -> None:
        self.asked: list[bool] = []
        self._images = images
        events: Any = cloud.clients.ec2.meta.events
        events.register("provide-client-params.ec2.DescribeImages", self._note)
        events.register_first("after-call.ec2.DescribeImages", self._leave_out)

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.asked.append(params.get("IncludeDeprecated", False))

    def _leave_out(self, parsed: dict[str, Any], **_: Any) -> None:
        if not self.asked[-1]:
            parsed["Images"] = [image for image in parsed["Images"] if image["ImageId"] not in self._images]


def test_a_deprecated_image_is_found_by_its_exact_name_or_id(cloud: Cloud) -> None:
    old = add("al2023-ami-2023.1")
    there = Deprecated(cloud, old)
    exact = SourceImage(name="al2023-ami-2023.1", owner=MINE.owner)
    assert resolve(cloud.clients, exact).ami == resolve(cloud.clients, SourceImage(ami=old)).ami == old
    assert there.asked == [True, True]


def test_of_a_name_with_wildcards_deprecated_images_count_when_there_are_no_others(cloud: Cloud) -> None:
    newest = add("al2023-ami-2023.10", creation_date=datetime(2099, 1, 1, tzinfo=UTC))
    Deprecated(cloud, newest)
    assert resolve(cloud.clients, MINE).ami == cloud.source
    assert resolve(cloud.clients, MINE.model_copy(update={"name": "*2023.10*"})).ami == newest


def test_an_id_of_another_region_is_explained(cloud: Cloud) -> None:
    with pytest.raises(SourceImageNotFound) as caught:
        resolve(cloud.clients, SourceImage(ami="ami-0123456789abcdef0"))
    text = caught.value.block()
    assert "there is no image ami-0123456789abcdef0 in us-east-1" in text
    assert "--image-ids ami-0123456789abcdef0 --include-deprecated --region" in text


def test_root_device_and_size_come_from_the_image(cloud: Cloud) -> None:
    found = resolve(cloud.clients, MINE)
    assert found.root_device == "/dev/sda1"
    assert found.root_gib == 15


@pytest.mark.parametrize("source", [eks_image(), al2023_image()])
def test_recipes_sources_never_leave_out_the_owner(source: SourceImage) -> None:
    assert source.owner
    assert source.parameter.startswith("/aws/service/")
