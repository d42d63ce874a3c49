from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from amiforge.cli.images import as_data
from amiforge.ec2.catalogue import Ami, Entry, Search, group, pointer_path, read
from amiforge.ec2.image_use import scaling_groups
from amiforge.ec2.refusal import refused
from amiforge.ec2.session import Clients
from tests.deaths.ec2 import REGION, Ec2
from tests.unit.ec2.shelf import POINTER, WEST, Shelf

sockets = pytest.mark.sockets
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ORGANIZATION = "arn:aws:organizations::111122223333:organization/o-abcdef1234"


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Ec2(tmp_path) as ec2:
        yield Shelf(ec2)


def found(shelf: Shelf, search: Search | None = None) -> tuple[Entry, ...]:
    catalogue = read((shelf.here, shelf.west), search)
    assert not catalogue.problems
    return catalogue.entries


@sockets
def test_a_copy_is_listed_with_its_image_and_the_newest_image_first(shelf: Shelf) -> None:
    old, new = shelf.put(30, copied=True), shelf.put(3, "published", channel="stable edge")
    newest, oldest = found(shelf)
    assert (newest.id, newest.regions, newest.stage, newest.channels) == (
        new,
        (REGION,),
        "published",
        ("stable", "edge"),
    )
    assert (oldest.id, oldest.regions, oldest.recipe, oldest.os, oldest.arch) == (
        old,
        (REGION, WEST),
        "eks_gpu",
        "al2023",
        "x86_64",
    )
    assert (oldest.source, oldest.fingerprint, oldest.run) == ("ami-0source", "f00d", "20260101-000030-k3x9")
    assert [ami.id for ami in oldest.amis] == [old, shelf.copy_of(old)]
    assert all(ami.size == 20 and len(ami.snapshots) == 1 and not ami.encrypted for ami in oldest.amis)
    assert timedelta(days=30) <= datetime.now(UTC) - oldest.created < timedelta(days=30, minutes=5)


@sockets
def test_what_bears_no_tag_of_a_run_is_never_seen(shelf: Shelf) -> None:
    shelf.api.create_image(InstanceId=shelf.launch("ami-0source"), Name="somebody's")
    assert found(shelf) == ()


@sockets
def test_what_is_known_of_an_image_is_found_where_ec2_tells_it(shelf: Shelf) -> None:
    image = shelf.put(3, copied=True)
    shelf.share(image, UserId="111122223333")
    shelf.share(image, OrganizationArn=ORGANIZATION)
    shelf.api.enable_image_deregistration_protection(ImageId=image)
    shelf.api.enable_image_deprecation(ImageId=image, DeprecateAt=datetime.now(UTC) + timedelta(days=9))
    instance = shelf.launch(image)
    template = shelf.api.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={"ImageId": image})
    shelf.point(image)
    shelf.point(image, "/elsewhere/image")
    shelf.here.ssm.put_parameter(Name="/x", Value=image, Type="String", DataType="aws:ec2:image")
    for path, extra in (("", ()), ("/amiforge", (f"{POINTER}/current",))):
        (entry,) = found(shelf, Search(path=path))
        here, copy = entry.amis
        assert here.shared == ("111122223333", ORGANIZATION)
        assert here.protected
        assert here.deprecated
        assert here.launched
        name = template["LaunchTemplate"]["LaunchTemplateId"]
        assert here.users == (instance, f"launch template {name} version 1")
        assert here.pointers == (*extra, "/x")
        assert not here.doubts
        assert copy == Ami(
            WEST,
            copy.id,
            here.name,
            "available",
            copy.created,
            copy.tags,
            size=20,
            snapshots=copy.snapshots,
        )


@sockets
def test_a_terminated_instance_uses_nothing(shelf: Shelf) -> None:
    image = shelf.put(3)
    instance = shelf.launch(image)
    shelf.api.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig={"Delay": 0})
    shelf.api.terminate_instances(InstanceIds=[instance])
    shelf.api.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig={"Delay": 0})
    (entry,) = found(shelf)
    assert entry.amis[0].users == ()
    assert entry.launched


@sockets
def test_a_disabled_image_is_found_too(shelf: Shelf) -> None:
    image = shelf.put(3)
    shelf.api.disable_image(ImageId=image)
    assert [ami.state for ami in found(shelf)[0].amis] == ["disabled"]


@sockets
@pytest.mark.parametrize(
    ("search", "ages"),
    [
        (Search(), [1, 2, 3]),
        (Search({"amiforge:recipe": ("base",)}), [2]),
        (Search({"amiforge:arch": ("arm64", "x86_64"), "amiforge:recipe": ()}), [1, 2, 3]),
        (Search({"amiforge:recipe": ("eks_gpu",), "amiforge:arch": ("arm64",)}), [3]),
    ],
)
def test_a_search_finds_what_bears_one_value_of_every_tag(shelf: Shelf, search: Search, ages: list[int]) -> None:
    ids = [shelf.put(1), shelf.put(2, recipe="base"), shelf.put(3, arch="arm64")]
    assert [entry.id for entry in found(shelf, search)] == [ids[age - 1] for age in ages]
    assert [entry.id for entry in found(shelf, Search(ids=tuple(ids[1:])))] == ids[1:]


@sockets
@pytest.mark.parametrize(
    ("operation", "doubt"),
    [
        ("DescribeInstances", "instances cannot be looked through, DescribeInstances"),
        ("DescribeLaunchTemplateVersions", "launch templates cannot be looked through"),
        ("DescribeImageReferences", "references cannot be looked through"),
        ("GetParametersByPath", "pointers cannot be looked through"),
        ("DescribeImageAttribute", "shares cannot be looked up"),
    ],
)
def test_what_may_not_be_asked_is_a_doubt_about_every_image(shelf: Shelf, operation: str, doubt: str) -> None:
    shelf.put(1)
    shelf.put(2)
    shelf.refuse(operation)
    for entry in found(shelf, Search(path="/amiforge")):
        (told,) = entry.amis[0].doubts
        assert told.startswith(doubt)


@sockets
def test_who_uses_images_is_only_asked_for_if_that_is_wanted(shelf: Shelf) -> None:
    shelf.put(1)
    shelf.ec2.app.traffic.clear()
    assert len(found(shelf, Search(uses=False))) == 1
    assert {call.operation for call in shelf.ec2.app.traffic.calls} == {"DescribeImages"}


@sockets
def test_a_region_that_may_not_be_listed_is_named_and_the_other_one_is_listed(shelf: Shelf) -> None:
    shelf.put(1)
    shelf.refuse("DescribeImages", times=1)
    catalogue = read((shelf.west, shelf.here))
    assert len(catalogue.problems) == 1
    assert "DescribeImages" in catalogue.problems[0]


def ami(name: str, region: str = REGION, day: int = 0, of: str = "") -> Ami:
    tags = {"amiforge:copy-of": of} if of else {}
    return Ami(region, name, "", "available", NOW + timedelta(days=day), tags)


def test_copies_whose_image_is_gone_still_are_one() -> None:
    (entry,) = group([ami("b", "eu-west-1", 2, of="gone"), ami("c", "ap-south-1", 1, of="gone")])
    assert (entry.id, entry.regions) == ("gone", ("ap-south-1", "eu-west-1"))
    assert entry.created == NOW + timedelta(days=1)


def test_an_image_comes_before_its_copies_wherever_it_is() -> None:
    (entry,) = group([ami("b", "eu-west-1", 2, of="a"), ami("a", "us-east-1")])
    assert [each.id for each in entry.amis] == ["a", "b"]
    shared = replace(entry, amis=tuple(replace(each, shared=("1", each.id)) for each in entry.amis))
    assert shared.shared == ("1", "a", "b")


def test_programs_get_everything_as_json() -> None:
    told = as_data(Entry((replace(ami("a"), launched=NOW, users=("i-1",)), ami("b", of="a"))))
    assert (told["launched"], told["copies"][0]["users"], told["copies"][1]["launched"]) == (
        "2026-06-01T00:00:00+00:00",
        ["i-1"],
        None,
    )
    assert set(told["copies"][0]) >= set(Ami.__slots__) - {"tags", "state"}


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("", ""),
        ("/amiforge/{recipe}/{os}", "/amiforge"),
        ("/ml/ami-{recipe}", "/ml"),
        ("/{recipe}", "/"),
        ("/ml/ami", "/ml/ami"),
    ],
)
def test_all_parameters_of_a_pointer_are_below_what_it_begins_with(template: str, path: str) -> None:
    assert pointer_path(template) == path


TEMPLATE = {"LaunchTemplateId": "lt-1", "Version": "7"}


def named(template: str, version: str) -> dict[str, Any]:
    if template != "lt-1":
        raise refused("DescribeLaunchTemplateVersions", "InvalidLaunchTemplateId.NotFound", "no")
    return {"LaunchTemplateVersions": [{"LaunchTemplateData": {"ImageId": f"ami-{version}"}}]}


def scaling(*groups: dict[str, Any]) -> Clients:
    pages: dict[str, list[dict[str, Any]]] = {
        "describe_launch_configurations": [
            {"LaunchConfigurations": [{"LaunchConfigurationName": "old", "ImageId": "ami-7"}]}
        ],
        "describe_auto_scaling_groups": [
            {"AutoScalingGroups": [{"AutoScalingGroupName": "g", **each} for each in groups]}
        ],
    }
    service = SimpleNamespace(get_paginator=lambda name: SimpleNamespace(paginate=lambda: pages[name]))
    ec2 = SimpleNamespace(
        describe_launch_template_versions=lambda LaunchTemplateId, Versions: named(LaunchTemplateId, *Versions)  # noqa: N803
    )
    nothing: Any = None
    return Clients(REGION, False, cast("Any", ec2), nothing, nothing, nothing, "", cast("Any", service))


@pytest.mark.parametrize(
    ("group", "uses"),
    [
        ({"LaunchTemplate": TEMPLATE}, True),
        ({"LaunchTemplate": {**TEMPLATE, "Version": "8"}}, False),
        ({"LaunchTemplate": {**TEMPLATE, "LaunchTemplateId": "lt-deleted"}}, False),
        # Those two versions of every template are looked at anyway.
        ({"LaunchTemplate": {**TEMPLATE, "Version": "$Latest"}}, False),
        ({"MixedInstancesPolicy": {"LaunchTemplate": {"LaunchTemplateSpecification": TEMPLATE}}}, True),
        (
            {"MixedInstancesPolicy": {"LaunchTemplate": {"Overrides": [{"LaunchTemplateSpecification": TEMPLATE}]}}},
            True,
        ),
        ({"MixedInstancesPolicy": {"LaunchTemplate": {"Overrides": [{"ImageId": "ami-7"}]}}}, True),
        ({"LaunchConfigurationName": "old"}, True),
        ({"LaunchConfigurationName": "other"}, False),
    ],
)
def test_a_scaling_group_uses_what_it_launches_by_a_version_an_override_or_a_configuration(
    group: dict[str, Any], uses: bool
) -> None:
    expected = [("ami-7", "Auto Scaling group g")] if uses else []
    assert list(scaling_groups(scaling(group, {}), ("ami-7", "ami-9"))) == expected
