"""Which image a rollback goes back to, from what the pointers of all regions name."""

from __future__ import annotations

import pytest

from amiforge.ec2.publication.regional_image import RegionalImage
from amiforge.ec2.publication.switch import Stand, decide
from amiforge.ec2.tags import CHANNEL, COPY_OF
from amiforge.errors import ConfigError


def image(region: str, origin: str, channels: str = "") -> RegionalImage:
    """Give an image in a region; images are baked in the region `a`."""
    tags = {CHANNEL: channels, **({} if region == "a" else {COPY_OF: origin})}
    return RegionalImage(region, origin if region == "a" else f"{origin}-{region}", tags=tags)


def stand(region: str, current: str, previous: str, published: str = "") -> Stand:
    found = [
        image(region, name, "stable" if name == published else "") if name else None for name in (current, previous)
    ]
    return Stand(region, *found)


@pytest.mark.parametrize(
    "stands",
    [
        (stand("a", "new", "old"),),
        (stand("a", "new", "old"), stand("b", "new", "old")),
        # a region that got its pointer later
        (stand("a", "new", "old"), stand("b", "new", "")),
        # one that was interrupted: between both parameters of b, and before b
        (stand("a", "old", "new", "old"), stand("b", "new", "new", "old"), stand("c", "old", "new", "old")),
        (stand("a", "old", "new", "old"), stand("b", "new", "old", "old")),
    ],
)
def test_it_goes_back_to_what_was_named_before(stands: tuple[Stand, ...]) -> None:
    assert decide(stands, "/p", "stable") == ("old", "new")


@pytest.mark.parametrize(
    ("stands", "said"),
    [
        ((stand("a", "new", ""),), "/p/previous names no image"),
        ((stand("a", "new", "new"),), "/p/previous names no image"),
        ((stand("a", "new", "old"), stand("b", "new", "older")), "not the same everywhere"),
        ((stand("a", "new", "old"), stand("b", "", "")), "/p/current names no image in b"),
        ((stand("a", "new", "old"), stand("b", "old", "older")), "names different images"),
    ],
)
def test_what_cannot_be_told_is_refused(stands: tuple[Stand, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        decide(stands, "/p", "stable")
