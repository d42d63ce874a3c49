from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from amiforge.bake import prices
from amiforge.bake.cost import cost
from amiforge.ec2.builder import GRAVITON, X86_64
from tests.unit.bake.report.runs import START, asked, line

HOUR = 3600.0


def launch(after: float, instance: str, kind: str = "m6i.4xlarge", gib: int = 20, **more: Any) -> list[dict[str, Any]]:
    about = {"InstanceType": kind, "BlockDeviceMappings": [{"Ebs": {"VolumeSize": gib}}], **more}
    return [asked(after, "RunInstances", about), asked(after, "RunInstances", {"InstanceId": [instance]}, "answered")]


def end(after: float, operation: str, instance: str) -> dict[str, Any]:
    return asked(after, operation, {"InstanceId": [instance]}, "answered")


def test_an_instance_costs_until_it_is_told_to_stop_and_its_volume_until_it_is_gone() -> None:
    lines = [*launch(0, "i-1"), end(HOUR, "StopInstances", "i-1"), end(2 * HOUR, "TerminateInstances", "i-1")]
    found = cost(lines, {})
    assert found.instances == pytest.approx(prices.INSTANCES["m6i.4xlarge"])
    assert found.gib_hours == pytest.approx(40)
    assert found.run == pytest.approx(found.instances + 40 * 0.08 / 720)


def test_a_builder_that_powers_itself_off_costs_until_it_is_seen_stopped() -> None:
    off = line(HOUR, "known", step="stop builder", about={"builder": {"id": "i-1", "state": "stopped"}})
    (use,) = cost([*launch(0, "i-1"), off, end(2 * HOUR, "TerminateInstances", "i-1")], {}).uses
    assert (use.seconds, use.gone) == (HOUR, START + 2 * HOUR)


@pytest.mark.parametrize(("seconds", "charged"), [(1, 60), (59, 60), (61, 61)])
def test_a_minute_is_the_least(seconds: float, charged: float) -> None:
    (use,) = cost([*launch(0, "i-1"), end(seconds, "TerminateInstances", "i-1")], {}).uses
    assert use.seconds == charged


def test_what_has_no_known_end_counts_to_the_last_line() -> None:
    (use,) = cost([*launch(0, "i-1"), line(HOUR, "ended", outcome="parked")], {}).uses
    assert (use.stopped, use.seconds) == (None, HOUR)


@pytest.mark.parametrize(
    ("kind", "known", "price", "listed"),
    [
        ("m6i.4xlarge", {}, 0.768, True),
        ("m6i.4xlarge", {"m6i.4xlarge": 0.5}, 0.5, False),
        ("x9.huge", {"x9.huge": 7.0}, 7.0, False),
        ("x9.huge", {}, None, True),
    ],
)
def test_a_price_of_the_settings_counts_before_the_list(
    kind: str, known: Mapping[str, float], price: float | None, listed: bool
) -> None:
    found = cost(launch(0, "i-1", kind), known)
    assert (found.uses[0].price, found.uses[0].listed) == (price, listed)
    assert found.unknown == (() if price else ("x9.huge",))


@pytest.mark.parametrize(
    ("more", "market"),
    [
        ({}, "on-demand"),
        ({"InstanceMarketOptions": {"MarketType": "spot"}}, "spot"),
        ({"InstanceMarketOptions": {"MarketType": "capacity-block"}}, "capacity-block"),
        ({"CapacityReservationSpecification": {"CapacityReservationTarget": {}}}, "capacity-reservation"),
    ],
)
def test_how_an_instance_was_got_is_told(more: Mapping[str, Any], market: str) -> None:
    assert cost(launch(0, "i-1", **more), {}).uses[0].market == market


def test_a_launch_that_is_asked_again_counts_once_and_one_that_was_refused_not_at_all() -> None:
    refused = asked(0, "RunInstances", {"code": "InsufficientInstanceCapacity", "message": ""}, "refused")
    again = [each for _ in range(2) for each in launch(5, "i-1", "m7i.4xlarge")]
    (use,) = cost([launch(0, "i-0")[0], refused, *again], {}).uses
    assert use.instance_type == "m7i.4xlarge"


def test_every_copy_of_the_image_is_kept_at_most_in_its_volumes_size() -> None:
    images = [asked(9, name, {"ImageId": ["ami-1"]}, "answered") for name in ("CreateImage", "CopyImage", "CopyImage")]
    found = cost([*launch(0, "i-1", gib=50), *images], {})
    assert (found.snapshot_gib, found.month) == pytest.approx((150, 7.5))


@pytest.mark.parametrize("about", [[], None, {"InstanceId": "i-1"}, {"BlockDeviceMappings": [3, {"Ebs": 1}]}])
def test_what_is_not_understood_costs_nothing(about: Any) -> None:
    lines = [asked(0, "RunInstances", about, kind) for kind in ("asked", "answered")]
    assert cost(lines, {}).run == 0


def test_what_our_recipes_are_built_on_has_a_price() -> None:
    assert {*X86_64, *GRAVITON} <= prices.INSTANCES.keys()
