from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import Instance as Made

from amiforge.ec2.instances import console_tail, stop, terminate_instances, wait_running
from amiforge.errors import AwsRefused, BakeError, LaunchFailed, Parked
from tests.unit.ec2.cloud import REGION, Cloud


def launched(cloud: Cloud) -> Made:
    made = cloud.clients.once.run_instances(ImageId=cloud.source, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    instance: Made = ec2_backends["123456789012"][REGION].get_instance(made)
    return instance


def slow(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, state: str) -> tuple[Made, list[str], list[bool]]:
    """Give an instance that stays in a state; what is told while it does; how it was asked to stop."""
    made, said, asked = launched(cloud), list[str](), list[bool]()
    made._state.name = state
    pace = replace(cloud.clients.pace, longest=20.0, on_wait=lambda _what, _seconds, detail: said.append(detail))
    cloud.clients = replace(cloud.clients, pace=pace)
    monkeypatch.setattr(
        type(cloud.clients.ec2), "stop_instances", lambda _self, **o: asked.append(o.get("Force", False))
    )
    return made, said, asked


def test_a_stop_that_takes_long_is_waited_for(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    made, said, asked = slow(cloud, monkeypatch, "stopping")
    looks = iter(range(50))
    pace = replace(cloud.clients.pace, on_wait=lambda *_: setattr(made._state, "name", _later(looks)))
    cloud.clients = replace(cloud.clients, pace=pace)
    assert stop(cloud.clients, made.id, 2700).state == "stopped"
    assert (asked, said) == ([False], [])


def _later(looks: Iterator[int]) -> str:
    return "stopping" if next(looks) < 40 else "stopped"


def test_a_stop_past_its_deadline_is_parked_and_never_forced_unasked(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, asked = slow(cloud, monkeypatch, "stopping")
    with pytest.raises(Parked, match="still not so after 27"):
        stop(cloud.clients, made.id, 2700)
    assert asked == [False]


def test_force_is_used_once_when_it_is_wanted_and_told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    made, said, asked = slow(cloud, monkeypatch, "stopping")
    with pytest.raises(Parked):
        stop(cloud.clients, made.id, 2700, force_after=900)
    assert asked == [False, True]
    assert [detail for detail in said if "force" in detail] == ["stopping, now by force"]


def test_an_instance_that_ends_instead_of_stopping_is_an_error_with_its_reason(cloud: Cloud) -> None:
    made = launched(cloud)
    terminate_instances(cloud.clients, [made.id])
    cloud.faults["StopInstances", 1] = "IncorrectInstanceState"
    with pytest.raises(BakeError, match="is terminated and will not be stopped") as caught:
        stop(cloud.clients, made.id, 2700)
    assert not isinstance(caught.value, Parked)
    assert "reason" in caught.value.lines


def test_a_stop_that_is_refused_says_so(cloud: Cloud) -> None:
    cloud.faults["StopInstances", 1] = "UnsupportedOperation"
    with pytest.raises(AwsRefused):
        stop(cloud.clients, launched(cloud).id, 2700)


def test_the_console_is_shown_in_long_waits_and_asked_at_most_once_a_minute(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, said, _ = slow(cloud, monkeypatch, "pending")
    lines = "\x1b[0;32m  OK  \x1b[0m] Started Login.\r\n[\x1b[31m*\x1b[0m] Job nvidia\x07 runs (2min)\r\n\r\n"
    asked: list[float] = []

    def answer(_self: object, **_: object) -> dict[str, str]:
        asked.append(cloud.clients.pace.clock())
        return {"Output": lines}

    monkeypatch.setattr(type(cloud.clients.once), "get_console_output", answer)
    with pytest.raises(LaunchFailed):
        wait_running(cloud.clients, made.id, 600)
    assert said[0] == "pending"
    assert said[-1] == "pending; console: [*] Job nvidia runs (2min)"
    assert 5 < len(asked) <= 10
    assert asked[0] >= 60
    assert min(later - earlier for earlier, later in itertools.pairwise(asked)) >= 60


@pytest.mark.parametrize("fault", ["UnsupportedOperation", "InvalidInstanceID.NotFound", "InternalError"])
def test_no_console_is_no_trouble(cloud: Cloud, fault: str) -> None:
    made = launched(cloud)
    cloud.faults.update({("GetConsoleOutput", number): fault for number in (1, 2)})
    assert console_tail(cloud.clients, made.id) == ""
    assert cloud.calls.count("GetConsoleOutput") == 2


@pytest.mark.parametrize("state", ["pending", "running", "stopping", "stopped", "shutting-down", "terminated"])
def test_whatever_an_instance_does_it_can_be_terminated(cloud: Cloud, state: str) -> None:
    made = launched(cloud)
    made._state.name = state
    terminate_instances(cloud.clients, [made.id])
    assert cloud.alive == []


def test_an_instance_that_is_gone_altogether_is_terminated(cloud: Cloud) -> None:
    terminate_instances(cloud.clients, ["i-0123456789abcdef0"])
