"""A launch as a bake makes it, at an endpoint that honours tokens and takes orders for failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from amiforge.ec2.builder import Builder
from amiforge.ec2.instances import Instance, stop
from amiforge.ec2.key_pair import KeyPair, import_key
from amiforge.ec2.launch import Order, launch
from amiforge.ec2.network import create_group, subnets
from amiforge.ec2.poll import Pace
from amiforge.ec2.reservations import places
from amiforge.ec2.resolve import resolve
from amiforge.ec2.session import Call, Clients, open_clients
from amiforge.ec2.source_image import al2023_image
from amiforge.ec2.tags import Tags
from amiforge.errors import AwsRefused, Parked
from amiforge.settings import AwsSettings

if TYPE_CHECKING:
    from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets

TAGS = Tags("run-1", "2099-01-01T00:00:00Z")
PACE = Pace(first=0.02, longest=0.05)


class Bake:
    """What a bake has when it launches its builder; `tokens` are those of its launches."""

    def __init__(self, cloud: Cloud, **options: Any) -> None:
        settings = AwsSettings(region="us-east-1", endpoint_url=cloud.url, read_timeout=2)
        self.tokens: list[str] = []
        self.clients = open_clients(settings, PACE, self._note)
        self.builder = Builder.model_validate({"instance_types": ("m6i.large", "c6i.large"), **options})
        self.subnets = sorted(subnets(self.clients, ()), key=lambda subnet: subnet.zone)[:2]
        self.order = Order(
            role="builder",
            image=resolve(self.clients, al2023_image()),
            builder=self.builder,
            key_name=import_key(self.clients, TAGS, "builder", KeyPair.new("me")),
            group=create_group(self.clients, TAGS, self.subnets[0].vpc, ["192.0.2.1/32"]),
            user_data="#cloud-config\n{}",
            tags=TAGS,
        )

    def _note(self, call: Call) -> None:
        if (call.operation, call.phase) == ("RunInstances", "asked"):
            self.tokens.append(call.about["ClientToken"])

    def launch(self, *, stopped: bool = True, **options: Any) -> Instance:
        where = places(self.clients, self.builder, self.subnets, stopped=stopped)
        return launch(self.clients, self.order, where, options.pop("deadline", 5), **options)


def alive(clients: Clients) -> list[str]:
    pages = clients.ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}])
    return [each["InstanceId"] for page in pages["Reservations"] for each in page["Instances"]]


def test_a_launch_goes_where_there_is_room(cloud: Cloud) -> None:
    bake = Bake(cloud)
    cloud.order(kind="no-room", instance_type="m6i.*")
    cloud.order(kind="no-room", zone="us-east-1a")
    made = bake.launch()
    assert (made.instance_type, made.zone) == ("c6i.large", "us-east-1b")
    assert len(set(bake.tokens)) == len(bake.tokens) == 4


def test_patience_meets_room_that_comes_back(cloud: Cloud) -> None:
    bake = Bake(cloud)
    cloud.order(kind="no-room", times=6)
    made = bake.launch(patience=60)
    assert len(set(bake.tokens)) == 7
    assert alive(bake.clients) == [made.id]


def test_an_instance_that_stays_pending_is_ended_before_the_next_is_asked_for(cloud: Cloud) -> None:
    bake = Bake(cloud)
    cloud.order(kind="late", what="pending", seconds=60, times=1)
    made = bake.launch(deadline=0.5)
    assert made.zone == "us-east-1b"
    assert alive(bake.clients) == [made.id]


def test_an_instance_that_ends_at_birth_for_want_of_room_is_replaced(cloud: Cloud) -> None:
    bake = Bake(cloud)
    cloud.order(kind="failed-launch", code="Server.InsufficientInstanceCapacity")
    made = bake.launch()
    assert (made.zone, alive(bake.clients)) == ("us-east-1b", [made.id])


def test_an_answer_that_is_lost_is_asked_for_again_and_so_it_is_by_the_next_process(cloud: Cloud) -> None:
    bake = Bake(cloud)
    cloud.order(operation="RunInstances", lost=True)
    made = bake.launch()
    assert len(bake.tokens) == 2
    assert bake.launch(unanswered=bake.tokens[0], spent=bake.tokens) == made
    assert len(set(bake.tokens)) == 1
    assert alive(bake.clients) == [made.id]


def test_a_token_of_an_instance_that_is_gone_is_not_the_end(cloud: Cloud) -> None:
    bake = Bake(cloud)
    first = bake.launch()
    bake.clients.ec2.terminate_instances(InstanceIds=[first.id])
    cloud.reach(first.id, "terminated")
    second = bake.launch(unanswered=bake.tokens[0], spent=bake.tokens)
    assert alive(bake.clients) == [second.id]
    assert len(bake.tokens) == 3


def test_what_was_just_made_may_be_unknown_for_a_while(cloud: Cloud) -> None:
    cloud.order(kind="lag", looks=2)
    bake = Bake(cloud)
    made = bake.launch()
    assert made.state == "running"
    assert len(set(bake.tokens)) == 1 < len(bake.tokens)


def test_a_quota_leaves_the_family_out(cloud: Cloud) -> None:
    bake = Bake(cloud, instance_types=("p5.48xlarge", "m6i.large"))
    cloud.order(kind="quota", vcpus=0, instance_type="p5.*")
    assert bake.launch().instance_type == "m6i.large"
    assert len(bake.tokens) == 2


def test_a_spot_instance_verifies_and_is_never_a_builder(cloud: Cloud) -> None:
    bake = Bake(cloud, markets=("spot", "on-demand"))
    verifying = bake.launch(stopped=False)
    assert cloud.instance(verifying.id)["InstanceLifecycle"] == "spot"
    with pytest.raises(AwsRefused, match="one-time Spot Instance request"):
        stop(bake.clients, verifying.id, 5)
    building = bake.launch()
    assert "InstanceLifecycle" not in cloud.instance(building.id)
    assert stop(bake.clients, building.id, 5).state == "stopped"


def test_a_stop_that_lasts_is_parked_and_can_be_waited_for_again(cloud: Cloud) -> None:
    bake = Bake(cloud)
    made = bake.launch()
    cloud.order(kind="late", what="stopping", seconds=1)
    with pytest.raises(Parked):
        stop(bake.clients, made.id, 0.3)
    assert stop(bake.clients, made.id, 10).state == "stopped"
