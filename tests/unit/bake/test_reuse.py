from __future__ import annotations

from collections.abc import Iterator

import pytest

from amiforge.bake import Existing, find_baked, reuse
from amiforge.recipes import fingerprint
from amiforge.resources import Directory
from amiforge.settings import PublishSettings
from amiforge.systems.system import System
from amiforge.tasks.task import Task
from tests.unit.bake.bench import Bench
from tests.unit.ec2.cloud import REGION, SETTINGS


class Folder(Task):
    """A folder."""

    path: str = "/opt/one"

    def resources(self, system: System) -> Iterator[Directory]:
        yield Directory(self.path)


@pytest.fixture
def baked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(reuse, "open_clients", lambda _aws, **_: bench.cloud.clients)
    return bench.bake().image


def find(bench: Bench, publish: PublishSettings | None = None, max_age_days: float = 0) -> Existing | None:
    return find_baked(bench.recipe, SETTINGS, publish=publish, max_age_days=max_age_days)


def tag(bench: Bench, image: str, key: str, value: str) -> None:
    bench.cloud.clients.ec2.create_tags(Resources=[image], Tags=[{"Key": key, "Value": value}])


def test_an_unchanged_recipe_is_found_with_few_calls_and_nothing_launched(bench: Bench, baked: str) -> None:
    before = len(bench.cloud.calls)
    existing = find(bench)
    assert existing
    assert (existing.image, existing.recipe, existing.region, existing.stage) == (baked, "empty", REGION, "verified")
    assert bench.cloud.calls[before:] == ["DescribeImages", "DescribeImages"]


def test_the_newest_is_found(bench: Bench, baked: str) -> None:
    second = bench.bake().image
    existing = find(bench)
    assert existing
    assert existing.image in {baked, second}
    bench.cloud.clients.ec2.deregister_image(ImageId=second)
    assert (found := find(bench))
    assert found.image == baked


@pytest.mark.usefixtures("baked")
def test_with_one_option_changed_there_is_none(bench: Bench) -> None:
    assert find_baked(bench.recipe.with_options("builder", volume_gib=100), SETTINGS) is None
    assert find_baked(bench.recipe.with_task(Folder()), SETTINGS) is None


def test_another_source_image_makes_another_image(bench: Bench, baked: str) -> None:
    assert find_baked(bench.recipe.with_options("source", ami=bench.cloud.source), SETTINGS)
    assert find_baked(bench.recipe.with_options("source", ami=baked), SETTINGS) is None


@pytest.mark.parametrize("state", ["candidate", "unverified", "failed", "superseded", ""])
def test_what_is_not_proven_or_no_longer_wanted_does_not_count(bench: Bench, baked: str, state: str) -> None:
    tag(bench, baked, "amiforge:state", state)
    assert find(bench) is None


def test_what_is_not_available_does_not_count(bench: Bench, baked: str) -> None:
    bench.set_image(baked, "disabled")
    assert find(bench) is None


@pytest.mark.usefixtures("baked")
@pytest.mark.parametrize(("days", "found"), [(0, 1), (1, 1), (1e-9, 0)])
def test_an_image_may_be_too_old(bench: Bench, days: float, found: int) -> None:
    assert len([each for each in [find(bench, max_age_days=days)] if each]) == found


@pytest.mark.parametrize(
    ("state", "channel", "lacking"),
    [
        ("verified", "", (f"not published in {REGION}", "not named by the pointer of stable")),
        ("published", "testing", ("not named by the pointer of stable",)),
        ("published", "testing stable", ()),
    ],
)
def test_what_is_left_of_publishing_is_named(
    bench: Bench, baked: str, state: str, channel: str, lacking: tuple[str, ...]
) -> None:
    tag(bench, baked, "amiforge:state", state)
    tag(bench, baked, "amiforge:channel", channel)
    existing = find(bench, PublishSettings(pointer="/images/{recipe}"))
    assert existing
    assert existing.lacking == lacking
    assert existing.published == ({REGION: baked} if state == "published" else {})


def test_an_image_whose_code_changed_while_it_was_baked_is_not_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = iter(["as it was", "as it is"])
    monkeypatch.setattr(fingerprint, "shared_code", lambda: next(digests, "as it is"))
    monkeypatch.setattr(reuse, "open_clients", lambda _aws, **_: bench.cloud.clients)
    assert bench.bake().image
    assert find(bench) is None
    assert bench.bake().image
    assert find(bench)
