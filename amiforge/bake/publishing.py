"""Publishing an image that is there, letting a channel name it, and going back to the one before: without a bake."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from amiforge.bake.hooks import Hook, Notice, tell
from amiforge.bake.loop import signals_interrupt
from amiforge.ec2.publication.change import Done
from amiforge.ec2.publication.copies import copy
from amiforge.ec2.publication.encryption import ask_kms, refuse_unshareable
from amiforge.ec2.publication.plan import Publication, plan
from amiforge.ec2.publication.publish import STAGES, Stage, available
from amiforge.ec2.publication.regional_image import RegionalImage, find_image
from amiforge.ec2.publication.regions import open_regions
from amiforge.ec2.publication.switch import Switch, carry_out_switch, promotion, rollback
from amiforge.ec2.session import Clients, open_clients, open_session
from amiforge.ec2.tags import ARCH, OS, RECIPE, RUN
from amiforge.engine.events import Listener, StepFinished, StepStarted, Waiting
from amiforge.errors import AmiforgeError, ConfigError
from amiforge.settings import AwsSettings, PublishSettings

OnDone = Callable[[Done], None]

_AGAIN = "say the same again: what is done stays done"


@dataclass(frozen=True, slots=True)
class Market:
    """Every region that images are published in, with its clients, and what is wanted there.

    Attributes:
        aws: profile, endpoint and patience of the clients.
        settings: what is wanted.
        home: region where images are baked.
        regions: all of them, home first.
        hooks: told of what is published.
    """

    aws: AwsSettings
    settings: PublishSettings
    home: Clients
    regions: Mapping[str, Clients]
    hooks: Sequence[Hook] = ()

    def image(self, ami: str) -> RegionalImage:
        """Find an image of the account in the home region.

        Raises:
            ConfigError: there is none.
        """
        found = find_image(self.home, ami)
        if found is None:
            raise ConfigError(
                f"there is no image {ami} of this account in {self.home.region}",
                fix="check the id, --region and --profile",
            )
        return found


def open_market(aws: AwsSettings, settings: PublishSettings, listener: Listener, hooks: Sequence[Hook] = ()) -> Market:
    """Open the clients of the configured region and of those that the settings name; the listener hears of waits.

    Raises:
        ConfigError: no region is given anywhere, or the profile does not exist.
    """
    session = open_session(aws)

    def open_in(region: str) -> Clients:
        return _heard(open_clients(aws.model_copy(update={"region": region}), session=session), listener)

    home = _heard(open_clients(aws, session=session), listener)
    names = dict.fromkeys((home.region, *settings.regions))
    return Market(aws, settings, home, open_regions(home, names, open_in), hooks)


def plan_publication(market: Market, ami: str, *, unverified: bool = False) -> Publication:
    """Say what publishing an image means, and refuse what cannot be; changes nothing.

    Raises:
        ConfigError: the image must not be published, or could not be shared.
    """
    wanted = plan(market.image(ami), market.settings, unverified=unverified)
    refuse_unshareable(wanted, market.regions, ask_kms(market.aws))
    return wanted


def publish(market: Market, wanted: Publication, listener: Listener, on_done: OnDone) -> None:
    """Publish an image: what is missing, nothing else.

    Args:
        market: where.
        wanted: what, as `plan_publication` gives it.
        listener: told of every stage.
        on_done: told of everything that was done, as soon as its stage is over.

    Raises:
        Parked: copies take longer.
        PublishIncomplete: something failed or was refused; what is done stays done.
    """
    titles = ("copy image", "set attributes", "share image", "move pointers", "mark as published")
    stages: tuple[Stage, ...] = (copy, *STAGES)
    done: list[Done] = []
    with signals_interrupt():
        for title, stage in zip(titles, stages, strict=True):
            done += _stage(title, lambda stage=stage: stage(wanted, market.regions), listener, on_done)  # type: ignore[misc]
    if done and market.hooks:
        _announce(market, {name: available(wanted, clients) for name, clients in market.regions.items()}, listener)


def plan_promotion(market: Market, ami: str) -> Switch:
    """Say what it means that the pointer of the settings' channel names an image; changes nothing.

    Raises:
        ConfigError: there is no pointer, the image is not published, or not available in all regions.
    """
    return promotion(market.image(ami), market.settings, market.regions)


def plan_rollback(market: Market, tags: Mapping[str, str]) -> Switch:
    """Say what it means that a pointer names again what it named before; changes nothing.

    Raises:
        ConfigError: there is nothing to go back to, or it is not available in all regions.
    """
    return rollback(tags, market.settings, market.regions)


def move(market: Market, switch: Switch, listener: Listener, on_done: OnDone) -> None:
    """Move the pointers of all regions.

    Raises:
        PublishIncomplete: one was refused; says which pointer names what.
    """

    def work() -> Iterable[Done]:
        return carry_out_switch(switch, market.regions, datetime.now(UTC), market.settings)

    with signals_interrupt():
        if _stage("move pointers", work, listener, on_done):
            _announce(market, switch.images, listener)


def _announce(market: Market, images: Mapping[str, RegionalImage], listener: Listener) -> None:
    """Tell the hooks which image is published where, or named by a pointer from now on."""
    home = images[market.home.region]
    notice = Notice(
        event="published",
        run=home.tags.get(RUN, ""),
        recipe=home.tags.get(RECIPE, ""),
        os=home.tags.get(OS, ""),
        arch=home.tags.get(ARCH, ""),
        region=home.region,
        image=home.id,
        published={region: image.id for region, image in images.items()},
    )
    tell(notice, market.hooks, listener)


def _stage(title: str, work: Callable[[], Iterable[Done]], listener: Listener, on_done: OnDone) -> tuple[Done, ...]:
    started = time.monotonic()
    listener(StepStarted(step=title))
    try:
        done = tuple(work())
    except AmiforgeError as error:
        raise error.add(again=_AGAIN) from None
    for each in done:
        on_done(each)
    listener(StepFinished(step=title, seconds=time.monotonic() - started, detail=f"{len(done)} done" if done else ""))
    return done


def _heard(clients: Clients, listener: Listener) -> Clients:
    """Give the clients with a pace of which the listener hears."""

    def on_wait(what: str, seconds: float, detail: str) -> None:
        listener(Waiting(what=what, seconds=seconds, detail=detail))

    return replace(clients, pace=replace(clients.pace, on_wait=on_wait))
