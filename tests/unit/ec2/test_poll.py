from __future__ import annotations

import pytest

from amiforge.ec2.poll import Pace, Wait, poll
from amiforge.ec2.refusal import refused
from amiforge.errors import AwsRefused, ImageFailed
from tests.unit.ec2.cloud import impatient

WAIT = Wait("image ami-1 to be available", deadline=600, late=ImageFailed, grace=60)


def told(seen: str) -> str | None:
    if seen == "failed":
        raise ImageFailed("image ami-1 is failed")
    return None if seen == "available" else seen


def wait(*seen: str, pace: Pace | None = None) -> str:
    """Wait while EC2 answers these, the last one for ever; `!Code` is a refusal."""
    left = list(seen)

    def look() -> str:
        now = left.pop(0) if len(left) > 1 else left[0]
        if now.startswith("!"):
            raise refused("DescribeImages", now[1:], "no")
        return now

    return poll(WAIT, look, told, pace or impatient())


def test_it_ends_when_it_is_done() -> None:
    assert wait("pending", "pending", "available") == "available"


def test_an_end_state_ends_it_at_once() -> None:
    with pytest.raises(ImageFailed, match="is failed"):
        wait("pending", "failed")


def test_past_the_deadline_it_says_what_was_seen_last() -> None:
    with pytest.raises(ImageFailed, match="image ami-1 to be available: still not so after 6") as caught:
        wait("pending")
    assert caught.value.lines["state"] == "pending"


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "InternalError", "EndpointConnectionError"])
def test_throttling_and_a_lost_link_do_not_end_it(code: str) -> None:
    assert wait(*[f"!{code}"] * 30, "available") == "available"


def test_what_was_just_made_may_be_unknown_for_a_while_but_not_for_ever() -> None:
    assert wait("!InvalidAMIID.NotFound", "!InvalidAMIID.NotFound", "available") == "available"
    with pytest.raises(AwsRefused) as caught:
        wait("!InvalidAMIID.NotFound")
    assert caught.value.lines["code"] == "InvalidAMIID.NotFound"


def test_a_refusal_for_good_ends_it_at_once() -> None:
    with pytest.raises(AwsRefused):
        wait("!UnauthorizedOperation", "available")


def test_it_looks_soon_at_first_and_never_more_rarely_than_asked() -> None:
    pauses = [Pace(longest=15).pause(looks) for looks in range(1000)]
    assert pauses[0] < 0.25
    assert min(pauses[20:]) >= 12
    assert max(pauses) <= 18


def test_listeners_hear_what_we_wait_for_and_what_it_says() -> None:
    heard: list[tuple[str, str]] = []
    pace = Pace(on_wait=lambda what, _, said: heard.append((what, said)), sleep=lambda _: None)
    wait("pending", "available", pace=pace)
    assert heard == [("image ami-1 to be available", "pending")]
