from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amiforge.bake.gc import Asked, collect, decide, survey
from amiforge.ec2.key_pair import KeyPair
from amiforge.ec2.leftovers import KINDS, Kind, Thing
from amiforge.ec2.poll import Pace
from amiforge.ec2.session import Clients, open_clients
from amiforge.errors import CleanupIncomplete
from amiforge.sandbox.faults import CallFault
from tests.deaths.ec2 import SOURCE, Ec2

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PAST, FUTURE = "2026-01-01T11:59:59Z", "2026-01-01T12:00:01Z"


PUBLIC = KeyPair.new("x").public.encode()


def nobody(_run: str) -> bool:
    return False


def thing(kind: Kind = "instance", name: str = "x", run: str = "r", expires: str = PAST, state: str = "") -> Thing:
    tags = {"amiforge:run": run, "amiforge:expires": expires, "amiforge:state": state}
    return Thing("us-east-1", kind, name, {key: value for key, value in tags.items() if value})


def one(found: Thing, run: str = "", *, claimed: bool = False) -> tuple[bool, str]:
    (decision,) = decide([found], Asked(NOW, lambda _: claimed, run))
    return decision.remove, decision.why


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_expired_goes_and_what_has_not_is_kept_until_then(kind: Kind) -> None:
    assert one(thing(kind)) == (True, f"expired {PAST}")
    assert one(thing(kind, expires=FUTURE)) == (False, f"until {FUTURE}")


@pytest.mark.parametrize("expires", ["", "soon", "2026-13-01T00:00:00Z", "1767268799"])
def test_without_a_readable_time_it_is_kept_and_that_is_said(expires: str) -> None:
    remove, why = one(thing(expires=expires))
    assert not remove
    assert "expires" in why
    assert expires in why


def test_a_time_without_a_zone_is_utc() -> None:
    assert one(thing(expires=PAST.removesuffix("Z")))[0]
    assert not one(thing(expires=FUTURE.removesuffix("Z")))[0]


@pytest.mark.parametrize("expires", [PAST, FUTURE, "soon", ""])
def test_a_run_that_is_named_loses_everything_whatever_its_time(expires: str) -> None:
    assert one(thing(expires=expires), "r") == (True, "of this run")


@pytest.mark.parametrize("run", ["", "r"])
@pytest.mark.parametrize("kind", ["image", "snapshot"])
@pytest.mark.parametrize(
    ("state", "expires"), [("verified", PAST), ("published", PAST), ("superseded", PAST), ("unverified", "")]
)
def test_a_finished_image_is_never_removed(kind: Kind, state: str, expires: str, run: str) -> None:
    assert one(thing(kind, state=state, expires=expires), run) == (False, state)


@pytest.mark.parametrize("kind", ["image", "snapshot"])
@pytest.mark.parametrize("state", ["candidate", "failed", "unverified", "removed"])
def test_an_image_that_never_passed_goes_when_it_has_expired(kind: Kind, state: str) -> None:
    assert one(thing(kind, state=state)) == (True, f"expired {PAST}")
    assert one(thing(kind, state=state, expires=FUTURE)) == (False, f"until {FUTURE}")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (replace(thing(), tags={}), "bears no tag of a run"),
        (thing(run="other"), "not of this run"),
        (replace(thing("image"), users=("shared with 123",)), "in use: shared with 123"),
        (replace(thing("image"), instances=("i-9",)), "in use by i-9"),
        (replace(thing("volume"), instances=("i-9",)), "in use by i-9"),
    ],
)
def test_what_is_untagged_foreign_or_in_use_is_kept_even_when_the_run_is_named(found: Thing, why: str) -> None:
    assert one(found, "r") == (False, why)


@pytest.mark.parametrize("run", ["", "r"])
def test_what_a_living_process_works_on_is_kept(run: str) -> None:
    assert one(thing(), run, claimed=True) == (False, "a process on this machine works on the run")


def test_what_a_doomed_instance_uses_goes_with_it_and_what_a_kept_one_uses_stays() -> None:
    for expires in (PAST, FUTURE):
        instance, volume = thing(name="i-1", expires=expires), replace(thing("volume"), instances=("i-1",))
        goes = expires == PAST
        assert [decision.remove for decision in decide([volume, instance], Asked(NOW, nobody))] == [goes, goes]


class Account:
    """An EC2 in which somebody has left things."""

    def __init__(self, ec2: Ec2) -> None:
        self.ec2 = ec2
        self.clients = self.open()
        self.api: Any = self.clients.ec2

    def open(self, region: str = "us-east-1") -> Clients:
        settings = self.ec2.settings.model_copy(update={"region": region})
        return open_clients(settings, Pace(first=0.01, longest=0.05))

    def tags(self, *kinds: str, run: str = "r", expires: str = PAST, **more: str) -> list[dict[str, Any]]:
        pairs = {"amiforge:run": run, "amiforge:expires": expires, **more}
        return [
            {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in pairs.items()]}
            for kind in kinds
        ]

    def leave(self, run: str = "r", expires: str = PAST) -> tuple[str, str]:
        """Leave one of everything, and give the ids of instance and image."""
        network = self.api.describe_subnets()["Subnets"][0]
        tags = {"run": run, "expires": expires}
        self.api.import_key_pair(KeyName=run, PublicKeyMaterial=PUBLIC, TagSpecifications=self.tags("key-pair", **tags))
        group = self.api.create_security_group(
            GroupName=run,
            Description="x",
            VpcId=network["VpcId"],
            TagSpecifications=self.tags("security-group", **tags),
        )["GroupId"]
        instance = self.launch(SubnetId=network["SubnetId"], SecurityGroupIds=[group], KeyName=run, tags=tags)
        zone = network["AvailabilityZone"]
        self.api.create_volume(Size=1, AvailabilityZone=zone, TagSpecifications=self.tags("volume", **tags))
        wanted = self.tags("image", "snapshot", **tags, **{"amiforge:state": "candidate"})
        image = self.api.create_image(InstanceId=instance, Name=f"image of {run}", TagSpecifications=wanted)["ImageId"]
        self.api.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig={"Delay": 0})
        return instance, str(image)

    def launch(self, image: str = SOURCE.id, tags: dict[str, str] | None = None, **more: Any) -> str:
        marked = self.tags("instance", "volume", "network-interface", **tags) if tags else []
        wanted = {"ImageId": image, "InstanceType": "m6i.large", "MinCount": 1, "MaxCount": 1, **more}
        found = self.api.run_instances(**wanted, TagSpecifications=marked)["Instances"][0]["InstanceId"]
        self.api.get_waiter("instance_running").wait(InstanceIds=[found], WaiterConfig={"Delay": 0})
        return str(found)

    def refuse(self, operation: str) -> None:
        """Refuse every call of an operation from now on."""
        self.ec2.order(CallFault(operation=operation, error="UnauthorizedOperation", times=None))

    def collect(self, run: str = "", **more: Any) -> tuple[Thing, ...]:
        return collect([self.clients], Asked(NOW, nobody, run), more.get("deadline", 30))

    def why(self, name: str, run: str = "") -> str:
        found = survey([self.clients], Asked(NOW, nobody, run))
        return next(decision.why for decision in found.decisions if decision.thing.id == name)


def one_a_page(api: Any) -> None:
    """Make EC2 answer every listing that has pages one by one."""
    first = {}

    def ask(params: dict[str, Any], model: Any, **_: Any) -> None:
        if "NextToken" in getattr(model.output_shape, "members", ()):
            first[model.name] = int(params.pop("NextToken", 0))

    def answer(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name in first:
            name, found = next((name, value) for name, value in parsed.items() if isinstance(value, list))
            start = first[model.name]
            parsed[name] = found[start : start + 1]
            parsed["NextToken"] = str(start + 1) if start + 1 < len(found) else ""

    api.meta.events.register("before-parameter-build.ec2", ask)
    api.meta.events.register("after-call.ec2", answer)


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with Ec2(tmp_path) as ec2:
        yield Account(ec2)


@pytest.mark.sockets
class TestCollect:
    def test_everything_of_a_dead_run_goes_and_nothing_else(self, account: Account) -> None:
        account.launch()
        account.api.create_volume(Size=1, AvailabilityZone="us-east-1a")
        foreign = account.ec2.inventory()
        account.leave()
        gone = account.collect()
        assert account.ec2.inventory() == foreign
        assert {each.kind for each in gone} == set(KINDS) - {"spot request"}

    def test_what_has_not_expired_is_untouched_until_its_run_is_named(self, account: Account) -> None:
        account.leave(expires=FUTURE)
        account.leave("other", expires=FUTURE)
        before = account.ec2.inventory()
        assert account.collect() == ()
        assert account.ec2.inventory() == before
        account.collect("r")
        left = account.ec2.inventory()
        assert len(left) == len(before) / 2
        account.collect("other")
        assert account.ec2.inventory() == []

    def test_the_dearest_goes_first(self, account: Account) -> None:
        account.leave()
        account.ec2.app.traffic.calls.clear()
        account.collect()
        order = [call.operation for call in account.ec2.app.traffic.calls if call.mutating]
        assert order[0] == "TerminateInstances"
        assert order.index("DeregisterImage") < order.index("DeleteSnapshot")

    def test_an_image_that_somebody_runs_shares_or_launches_by_template_stays(self, account: Account) -> None:
        for name, use in (("run", self._run), ("shared", self._share), ("template", self._template)):
            instance, image = account.leave(name)
            said = use(account, image)
            account.collect(name)
            assert said in account.why(image, name)
            assert f"image {image} candidate" in account.ec2.inventory()
            assert instance not in str(account.ec2.inventory())

    def _run(self, account: Account, image: str) -> str:
        return f"in use by {account.launch(image)}"

    def _share(self, account: Account, image: str) -> str:
        account.api.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": "210987654321"}]})
        return "shared with 210987654321"

    def _template(self, account: Account, image: str) -> str:
        template = account.api.create_launch_template(
            LaunchTemplateName="template", LaunchTemplateData={"ImageId": image}
        )
        return f"in use: launch template {template['LaunchTemplate']['LaunchTemplateId']} version 1"

    def test_a_template_that_has_moved_on_does_not_hold_an_old_image(self, account: Account) -> None:
        _, image = account.leave()
        self._template(account, image)
        newer = {"LaunchTemplateName": "template", "LaunchTemplateData": {"ImageId": SOURCE.id}}
        account.api.create_launch_template_version(**newer)
        account.api.modify_launch_template(LaunchTemplateName="template", DefaultVersion="2")
        account.collect()
        assert account.ec2.inventory() == []

    def test_an_image_of_which_nobody_may_ask_who_uses_it_stays(self, account: Account) -> None:
        _, image = account.leave()
        account.refuse("DescribeImageAttribute")
        account.collect()
        assert "cannot be found out" in account.why(image)

    def test_a_refused_listing_does_not_keep_the_rest_and_is_told(self, account: Account) -> None:
        account.leave()
        account.refuse("DescribeVolumes")
        with pytest.raises(CleanupIncomplete) as caught:
            account.collect()
        assert caught.value.lines["left"].startswith("us-east-1 volumes: DescribeVolumes")
        assert [name.split()[0] for name in account.ec2.inventory()] == ["volume"]

    def test_a_refused_removal_is_told_and_the_rest_goes(self, account: Account) -> None:
        account.leave()
        account.refuse("DeleteKeyPair")
        with pytest.raises(CleanupIncomplete) as caught:
            account.collect("r")
        assert "key pair key-" in caught.value.lines["left"]
        assert "DeleteKeyPair" in caught.value.lines["left"]
        assert caught.value.lines["fix"].endswith("amiforge gc --run r --delete")
        assert account.ec2.inventory() == ["key pair r"]

    def test_every_page_of_every_listing_is_read(self, account: Account) -> None:
        one_a_page(account.api)
        for run in ("one", "two", "three"):
            account.leave(run)
        account.collect()
        assert account.ec2.inventory() == []

    def test_several_regions_are_collected_together(self, account: Account) -> None:
        west = account.open("us-west-2")
        for clients in (account.clients, west):
            tags: Any = account.tags("volume")
            clients.ec2.create_volume(Size=1, AvailabilityZone=f"{clients.region}a", TagSpecifications=tags)
        gone = collect([account.clients, west], Asked(NOW, nobody), 30)
        assert sorted(each.region for each in gone) == ["us-east-1", "us-west-2"]
        assert account.ec2.inventory() == []
