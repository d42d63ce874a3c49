from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from amiforge.errors import ConfigError, SandboxUnavailable
from amiforge.sandbox import orders
from amiforge.sandbox.endpoint import Endpoint
from amiforge.sandbox.faults import CallFault, FailedCopy, Fault, NoRoom

if TYPE_CHECKING:
    from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets


def test_what_is_ordered_is_listed_until_it_is_cleared(cloud: Cloud) -> None:
    here = Endpoint(cloud.url, "")
    wanted: list[Fault] = [NoRoom(instance_type="p5.*"), CallFault(operation="StopInstances", times=2)]
    for fault in wanted:
        orders.order(here, fault)
    assert orders.listing(here) == [fault.model_dump() for fault in wanted]
    orders.clear(here)
    assert orders.listing(here) == []


def test_a_refusal_comes_with_its_fix(cloud: Cloud) -> None:
    with pytest.raises(ConfigError, match="none called 'RunInstance'") as error:
        orders.order(Endpoint(cloud.url, ""), CallFault(operation="RunInstance"))
    assert "RunInstances" in error.value.lines["fix"]


def test_a_fault_of_a_region_that_does_not_exist_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ConfigError, match="none called 'us-west-22'") as error:
        orders.order(Endpoint(cloud.url, ""), FailedCopy(region="us-west-22"))
    assert "us-west-2" in error.value.lines["fix"]
    orders.order(Endpoint(cloud.url, ""), FailedCopy(region="eu-*"))


def test_a_sandbox_that_does_not_answer_is_named() -> None:
    with pytest.raises(SandboxUnavailable, match="does not answer"):
        orders.listing(Endpoint("http://127.0.0.1:1", ""))
