"""Work in several regions at once: to its end in all of them, whatever happens in one, but not past an interruption."""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from amiforge.ec2.publication import regions as module
from amiforge.ec2.publication.regions import everywhere, side_by_side
from amiforge.ec2.session import Clients
from amiforge.errors import AwsRefused, ConfigError, Parked, PublishIncomplete
from tests.unit.ec2.cloud import Cloud


@pytest.fixture
def places(cloud: Cloud) -> dict[str, Clients]:
    return {name: replace(cloud.clients, region=name) for name in ("a", "b", "c")}


def test_what_fails_in_one_region_is_told_and_done_in_the_others(places: dict[str, Clients]) -> None:
    def work(clients: Clients) -> str:
        if clients.region == "b":
            raise AwsRefused("no", code="UnauthorizedOperation", fix="allow it")
        return clients.region

    came = side_by_side(places, work)
    assert (came["a"], came["c"]) == ("a", "c")
    with pytest.raises(PublishIncomplete, match="copying failed in b") as error:
        everywhere(places, "copying", work)
    assert error.value.lines == {"reason": "b: no: UnauthorizedOperation", "done": "a, c", "fix": "allow it"}


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ({"a": Parked("late"), "b": Parked("late")}, Parked),
        ({"a": Parked("late"), "b": ConfigError("wrong")}, PublishIncomplete),
        ({"a": ConfigError("wrong"), "b": AwsRefused("who", code="ExpiredToken")}, AwsRefused),
    ],
)
def test_being_late_and_expired_credentials_are_no_failures(
    places: dict[str, Clients], errors: dict[str, Exception], raised: type[Exception]
) -> None:
    def work(clients: Clients) -> None:
        if clients.region in errors:
            raise errors[clients.region]

    with pytest.raises(raised):
        everywhere(places, "copying", work)


def test_an_interruption_ends_all_waiting(places: dict[str, Clients], monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Event()

    def work(clients: Clients) -> None:
        waiting.set()
        clients.pace.sleep(3600)

    def interrupted(_futures: Any) -> None:
        waiting.wait(5)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "wait", interrupted)
    patient = {name: replace(each, pace=replace(each.pace, sleep=time.sleep)) for name, each in places.items()}
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        side_by_side(patient, work)
    assert time.monotonic() - began < 60
