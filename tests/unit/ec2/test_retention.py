from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amiforge.ec2.catalogue import Ami, Entry
from amiforge.ec2.retention import Policy, decide, disabled_since, doomed

NOW = datetime(2026, 6, 1, tzinfo=UTC)
POLICY = Policy(keep=1, now=NOW)


def days(number: float) -> datetime:
    """Give the time so many days ago."""
    return NOW - timedelta(days=number)


def ami(age: float = 100, stage: str = "superseded", region: str = "us-east-1", **more: Any) -> Ami:
    tags = {"amiforge:run": "r", "amiforge:state": stage, "amiforge:recipe": "eks_gpu", "amiforge:os": "al2023"}
    tags |= more.pop("tags", {})
    return Ami(region, f"ami-{age}", f"n{age}", more.pop("state", "available"), days(age), tags, **more)


def entry(age: float = 100, stage: str = "superseded", **more: Any) -> Entry:
    return Entry((ami(age, stage, **more),))


CURRENT = entry(1, "published")


def fate(image: Entry, policy: Policy = POLICY) -> tuple[str, str]:
    """Give what becomes of an image beside one that is newer."""
    decision = decide([image, CURRENT], policy)[0]
    return decision.action, "; ".join(decision.why)


def test_an_old_image_that_nobody_uses_goes_and_the_newest_stays() -> None:
    assert fate(entry()) == ("remove", "superseded; not among the newest 1; never launched")
    assert fate(CURRENT) == ("keep", "the newest")
    assert fate(entry(launched=days(40)))[1].endswith("last launched 40 d ago")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"pointers": ("/a/current",)}, "/a/current names it in us-east-1"),
        ({"pointers": ("/a/previous", "/b/current")}, "/a/previous, /b/current names it in us-east-1"),
        (
            {"users": ("i-1", "launch template lt-1 version 3")},
            "in use in us-east-1: i-1, launch template lt-1 version 3",
        ),
        ({"protected": True}, "protected from being deregistered in us-east-1"),
        ({"doubts": ("instances cannot be looked through, no",)}, "who uses it in us-east-1 is not known: instances"),
        ({"state": "pending"}, "pending in us-east-1"),
        ({"tags": {"amiforge:run": ""}}, "bears no tag of a run"),
        ({"tags": {"amiforge:expires": "2020-01-01T00:00:00Z"}}, "superseded in us-east-1: an affair of `amiforge gc`"),
        *(({"stage": stage}, f"{stage} in us-east-1: an affair") for stage in ("candidate", "failed", "removed")),
        ({"stage": ""}, "of no known state in us-east-1: an affair"),
    ],
)
def test_one_reason_in_one_region_keeps_an_image_with_all_its_copies(more: dict[str, Any], why: str) -> None:
    for policy in (POLICY, replace(POLICY, keep=0, shared=True, grace_days=5)):
        action, told = fate(entry(**more), policy)
        assert action == "keep"
        assert told.startswith(why)
        copied = Entry((ami(region="eu-west-1"), ami(**more)))
        assert decide([copied, CURRENT], policy)[0].action == "keep"


def test_what_is_shared_stays_unless_that_is_asked_for() -> None:
    shared = entry(shared=("111122223333", "all"))
    assert fate(shared) == ("keep", "shared with 111122223333, all")
    assert fate(shared, replace(POLICY, shared=True))[0] == "remove"


@pytest.mark.parametrize(
    ("age", "launched", "action"),
    [(100, None, "remove"), (100, 31, "remove"), (100, 29, "keep"), (29, None, "keep"), (31, None, "remove")],
)
def test_what_was_made_or_launched_lately_stays(age: float, launched: float | None, action: str) -> None:
    image = entry(age, launched=None if launched is None else days(launched))
    assert fate(image, replace(POLICY, unused_days=30))[0] == action


def test_a_copy_that_was_launched_lately_keeps_all() -> None:
    copied = Entry((ami(), ami(region="eu-west-1", launched=days(2))))
    assert fate(copied, replace(POLICY, unused_days=30)) == ("keep", "last launched 2 d ago")


def test_an_image_of_a_run_that_is_worked_on_stays() -> None:
    assert fate(entry(), replace(POLICY, claimed={"r"}.__contains__))[0] == "keep"
    assert fate(entry(), replace(POLICY, claimed={"s"}.__contains__))[0] == "remove"


@pytest.mark.parametrize("tag", ["recipe", "os", "arch"])
def test_each_recipe_system_and_architecture_has_its_own_newest(tag: str) -> None:
    assert fate(entry(tags={f"amiforge:{tag}": "other"})) == ("keep", "the newest")


def test_those_never_published_do_not_push_out_those_that_were() -> None:
    images = [entry(1, "verified"), entry(2, "unverified"), entry(3, "published"), entry(4), entry(5)]
    assert [each.action for each in decide(images, replace(POLICY, keep=2))] == ["keep"] * 4 + ["remove"]
    assert [each.action for each in decide(images, POLICY)] == ["keep", "remove", "keep", "remove", "remove"]


@pytest.mark.parametrize("unusable", [entry(0.5, "failed"), entry(0.5, "published", state="disabled"), entry(0.5, "")])
def test_what_nobody_can_go_back_to_is_not_counted(unusable: Entry) -> None:
    assert decide([CURRENT, unusable], POLICY)[0].why == ("the newest",)


def test_keeping_none_still_keeps_what_is_used() -> None:
    used = entry(2, "published", pointers=("/a/current",))
    assert [each.action for each in decide([CURRENT, used], replace(POLICY, keep=0))] == ["remove", "keep"]


def test_superseded_ones_go_first_and_older_ones_before_newer() -> None:
    images = [entry(10, "published"), entry(20, "published"), entry(11), entry(21), CURRENT]
    order = [each.entry.name for each in doomed(decide(images, POLICY))]
    assert order == ["n21", "n11", "n20", "n10"]


def disabled(since: str) -> Ami:
    return ami(state="disabled", tags={"amiforge:disabled": since} if since else {})


@pytest.mark.parametrize(
    ("images", "action"),
    [
        ((ami(),), "disable"),
        ((disabled(""),), "disable"),
        ((disabled("2026-05-01T00:00:00Z"), ami(region="eu-west-1")), "disable"),
        ((ami(tags={"amiforge:disabled": "2026-01-01T00:00:00Z"}),), "disable"),
        ((disabled("2026-05-01T00:00:00Z"),), "remove"),
        ((disabled("2026-05-01T00:00:00Z"), disabled("2026-05-25T00:00:01Z")), "keep"),
        ((disabled("2026-05-25T00:00:01Z"),), "keep"),
        ((disabled("2026-05-25T00:00:00Z"),), "remove"),
    ],
)
def test_with_a_grace_an_image_goes_after_it_was_disabled_everywhere_for_so_long(
    images: tuple[Ami, ...], action: str
) -> None:
    assert fate(Entry(images), replace(POLICY, grace_days=7))[0] == action


def test_without_a_grace_a_disabled_image_goes_at_once() -> None:
    assert fate(Entry((disabled("2026-05-31T00:00:00Z"),)))[0] == "remove"
    assert disabled_since(Entry((disabled("2026-05-31T00:00:00Z"),))) == datetime(2026, 5, 31, tzinfo=UTC)


FEW = st.integers(0, 3)
AMIS = st.builds(
    ami,
    st.just(0),
    st.sampled_from(["published", "superseded", "verified", "unverified", "candidate", "failed", ""]),
    st.sampled_from(["us-east-1", "eu-west-1"]),
    state=st.sampled_from(["available"] * 4 + ["disabled", "pending"]),
    launched=st.none() | FEW.map(lambda number: days(number * 20)),
    pointers=st.sampled_from([(), (), ("/a/current",)]),
    users=st.sampled_from([(), (), ("i-1",)]),
    shared=st.sampled_from([(), (), ("1",)]),
    doubts=st.sampled_from([(), (), (), ("?",)]),
    protected=st.sampled_from([False, False, True]),
)


@st.composite
def catalogues(draw: st.DrawFn) -> list[Entry]:
    found = []
    for number in range(draw(st.integers(0, 12))):
        amis = draw(st.lists(AMIS, min_size=1, max_size=2))
        tags = {"amiforge:recipe": draw(st.sampled_from("ab")), "amiforge:copy-of": f"ami-{number}"}
        created = days(draw(st.integers(0, 100)) + number / 100)
        found.append(Entry(tuple(replace(each, created=created, tags={**each.tags, **tags}) for each in amis)))
    return found


POLICIES = st.builds(
    Policy, FEW, st.just(NOW), st.sampled_from([0, 30]), shared=st.booleans(), grace_days=st.sampled_from([0, 7])
)


@given(catalogues(), POLICIES)
def test_nothing_that_a_rule_keeps_ever_goes(entries: list[Entry], policy: Policy) -> None:
    for decision in doomed(decide(entries, policy)):
        for each in decision.entry.amis:
            assert not any((each.pointers, each.users, each.doubts, each.protected))
            assert policy.shared or not each.shared
            assert each.stage in {"published", "superseded", "verified", "unverified"}
            assert each.state in {"available", "disabled"}
            if policy.unused_days:
                assert each.created <= days(policy.unused_days)
                assert not each.launched or each.launched <= days(policy.unused_days)


@given(catalogues(), POLICIES)
def test_as_many_of_the_newest_stay_as_were_asked_for(entries: list[Entry], policy: Policy) -> None:
    decisions = decide(entries, policy)
    usable = [
        each
        for each in decisions
        if all(one.state == "available" for one in each.entry.amis)
        and each.entry.stage in {"published", "superseded", "verified", "unverified"}
    ]
    for recipe in "ab":
        for stages in ({"published", "superseded"}, {"verified", "unverified"}):
            kind = [each for each in usable if each.entry.recipe == recipe and each.entry.stage in stages]
            kind.sort(key=lambda each: each.entry.created, reverse=True)
            assert all(each.action == "keep" for each in kind[: policy.keep])


@given(catalogues(), POLICIES)
def test_every_image_gets_one_decision_with_a_reason_and_order_does_not_matter(
    entries: list[Entry], policy: Policy
) -> None:
    decisions = decide(entries, policy)
    assert [each.entry for each in decisions] == entries
    assert all(each.why and all(each.why) for each in decisions)
    backwards = {each.entry.id: each.action for each in decide(entries[::-1], policy)}
    assert backwards == {each.entry.id: each.action for each in decisions}
    assert Counter(each.action for each in decisions)["disable"] == 0 or policy.grace_days


def test_a_pointer_of_several_regions_is_told_once() -> None:
    copies = tuple(ami(region=region, pointers=("/a/current",)) for region in ("us-east-1", "eu-west-1"))
    (decision, _) = decide([Entry(copies), CURRENT], POLICY)
    assert decision.why == ("/a/current names it in us-east-1, eu-west-1",)
