from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amiforge.ec2.catalogue import Ami, Search, read
from amiforge.ec2.prune import Outcome, prune, remove
from amiforge.ec2.refusal import refused
from amiforge.ec2.retention import Decision, Policy, decide
from amiforge.ec2.session import Clients
from tests.deaths.ec2 import REGION, Ec2
from tests.unit.ec2.shelf import WEST, Shelf

sockets = pytest.mark.sockets
KEEP = Policy(keep=1, now=datetime.now(UTC))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Ec2(tmp_path) as ec2:
        yield Shelf(ec2)


def decided(shelf: Shelf, policy: Policy = KEEP) -> tuple[Decision, ...]:
    return decide(read((shelf.here, shelf.west), Search(path="/amiforge")).entries, policy)


def pruned(shelf: Shelf, decisions: tuple[Decision, ...], policy: Policy = KEEP) -> tuple[Outcome, ...]:
    return tuple(prune((shelf.here, shelf.west), decisions, policy, "/amiforge"))


def went(outcomes: tuple[Outcome, ...]) -> list[list[str]]:
    return [[ami.id for ami in outcome.done] for outcome in outcomes]


@sockets
def test_an_image_goes_with_all_its_copies_and_all_snapshots(shelf: Shelf) -> None:
    shelf.put(1, "published", copied=True)
    before = shelf.there(), shelf.there(WEST)
    old, older = shelf.put(50, copied=True), shelf.put(90)
    copy = shelf.copy_of(old)
    outcomes = pruned(shelf, decided(shelf))
    assert went(outcomes) == [[older], [copy, old]]
    assert all(outcome.decision.action == "remove" and not outcome.refused for outcome in outcomes)
    assert (shelf.there(), shelf.there(WEST)) == before


@sockets
def test_what_is_used_since_it_was_decided_stays_and_says_why(shelf: Shelf) -> None:
    shelf.put(1, "published")
    used, pointed, gone, copied = shelf.put(50), shelf.put(60), shelf.put(70), shelf.put(80, copied=True)
    decisions = decided(shelf)
    shelf.launch(used)
    shelf.point(pointed)
    shelf.api.deregister_image(ImageId=gone, DeleteAssociatedSnapshots=True)
    shelf.west.ec2.enable_image_deregistration_protection(ImageId=shelf.copy_of(copied))
    before = shelf.there(), shelf.there(WEST)
    outcomes = {outcome.decision.entry.id: outcome for outcome in pruned(shelf, decisions)}
    assert set(outcomes) == {used, pointed, copied}
    assert "in use in us-east-1: i-" in outcomes[used].decision.why[0]
    assert "current names it" in outcomes[pointed].decision.why[0]
    assert outcomes[copied].decision.why == ("protected from being deregistered in us-west-2",)
    assert {outcome.decision.action for outcome in outcomes.values()} == {"keep"}
    assert (shelf.there(), shelf.there(WEST)) == before


@sockets
def test_what_cannot_be_looked_at_again_stays(shelf: Shelf) -> None:
    shelf.put(1, "published")
    shelf.put(50)
    decisions = decided(shelf)
    shelf.refuse("DescribeImages")
    (outcome,) = pruned(shelf, decisions)
    assert outcome.decision.action == "keep"
    assert "DescribeImages" in outcome.decision.why[0]


@sockets
def test_a_refusal_keeps_nothing_else_and_is_told(shelf: Shelf) -> None:
    shelf.put(1, "published")
    old, older = shelf.put(50), shelf.put(90, copied=True)
    copy = shelf.copy_of(older)
    decisions = decided(shelf)
    shelf.refuse("DeregisterImage", times=1)
    outcomes = pruned(shelf, decisions)
    assert went(outcomes) == [[older], [old]]
    assert outcomes[0].refused[0].startswith(f"us-west-2 {copy}: DeregisterImage: ")
    # What is left is found again, and goes then.
    (again,) = (each for each in decided(shelf) if each.action == "remove")
    assert (again.entry.id, again.entry.regions) == (older, (WEST,))
    assert went(pruned(shelf, decided(shelf))) == [[copy]]


@sockets
def test_with_a_grace_an_image_is_deprecated_and_disabled_first(shelf: Shelf) -> None:
    shelf.put(1, "published")
    old = shelf.put(50, copied=True)
    grace = Policy(keep=1, now=KEEP.now, grace_days=7)
    (outcome,) = pruned(shelf, decided(shelf, grace), grace)
    assert outcome.decision.action == "disable"
    again = next(each for each in decided(shelf, grace) if each.entry.id == old)
    assert {(ami.state, bool(ami.deprecated)) for ami in again.entry.amis} == {("disabled", True)}
    assert again.action == "keep"
    assert again.why[0].startswith("disabled, goes after ")
    assert went(pruned(shelf, decided(shelf, grace), grace)) == []
    assert len(went(pruned(shelf, decided(shelf)))[0]) == 2


class FakeEc2:
    """An EC2 that says what became of snapshots, and refuses to delete some; knows what it was asked."""

    def __init__(self, told: dict[str, str], codes: dict[str, str]) -> None:
        self._told, self._codes = told, codes
        self.asked: list[str] = []

    def create_tags(self, Resources: list[str], Tags: list[dict[str, str]]) -> None:  # noqa: N803
        values = {tag["Key"]: tag["Value"] for tag in Tags}
        assert values["amiforge:expires"] <= f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        self.asked.append(f"mark {' '.join(Resources)} {values['amiforge:state']}")

    def deregister_image(self, ImageId: str, DeleteAssociatedSnapshots: bool) -> dict[str, Any]:  # noqa: N803
        assert DeleteAssociatedSnapshots
        self.asked.append(f"deregister {ImageId}")
        results = [{"SnapshotId": name, "ReturnCode": code} for name, code in self._told.items()]
        return {"DeleteSnapshotResults": results} if results else {}

    def delete_snapshot(self, SnapshotId: str) -> None:  # noqa: N803
        self.asked.append(f"delete {SnapshotId}")
        if code := self._codes.get(SnapshotId):
            raise refused("DeleteSnapshot", code, "no")


@pytest.mark.parametrize(
    ("told", "codes", "deleted"),
    [
        ({"snap-1": "success", "snap-2": "success"}, {}, []),
        ({"snap-1": "success", "snap-2": "skipped"}, {}, []),
        ({"snap-1": "success", "snap-2": "internal-error"}, {}, ["delete snap-2"]),
        (
            {},
            {"snap-1": "InvalidSnapshot.NotFound", "snap-2": "InvalidSnapshot.InUse"},
            ["delete snap-1", "delete snap-2"],
        ),
    ],
)
def test_snapshots_that_did_not_go_with_the_image_are_deleted_and_first_of_all_marked_for_gc(
    told: dict[str, str], codes: dict[str, str], deleted: list[str]
) -> None:
    ec2: Any = FakeEc2(told, codes)
    nothing: Any = None
    clients = Clients(REGION, False, ec2, nothing, nothing, nothing)
    remove(clients, Ami(REGION, "ami-1", "", "available", KEEP.now, snapshots=("snap-1", "snap-2")))
    assert ec2.asked == ["mark snap-1 snap-2 removed", "deregister ami-1", *deleted]
