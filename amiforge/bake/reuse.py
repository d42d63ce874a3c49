"""Finding the image that a bake would make, where it is there already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from amiforge.ec2.catalogue import Ami, Entry, Search, read
from amiforge.ec2.publication.regions import open_regions
from amiforge.ec2.resolve import resolve
from amiforge.ec2.session import Clients, open_clients, open_session
from amiforge.ec2.tags import FINGERPRINT
from amiforge.engine.lockfile import Lockfile
from amiforge.recipes.fingerprint import fingerprint
from amiforge.recipes.recipe import Recipe
from amiforge.settings import AwsSettings, EngineSettings, PublishSettings
from amiforge.systems.trust import Trust

#: Stages of an image that is proven and that no other has taken the place of.
_GOOD = frozenset({"verified", "published"})


@dataclass(frozen=True, slots=True)
class Existing:
    """An image that is exactly what a bake would make.

    Attributes:
        image: its id in the region where it was baked.
        run: that made it.
        created: when.
        stage: how far it has come: `verified`, `published`.
        published: region to the id of the image that is published there.
        lacking: what of publishing it is left to do, in words; empty when all is as wanted.
    """

    image: str
    name: str
    region: str
    recipe: str
    fingerprint: str
    run: str
    created: datetime
    stage: str
    published: Mapping[str, str]
    lacking: tuple[str, ...] = ()


def find_baked(  # noqa: PLR0913 - two things are needed, and each of the others may be left out
    recipe: Recipe,
    aws: AwsSettings,
    *,
    publish: PublishSettings | None = None,
    engine: EngineSettings | None = None,
    trust: Trust | None = None,
    max_age_days: float = 0,
) -> Existing | None:
    """Find the newest image that baking a recipe would only make again; None if it has to be baked.

    It is proven, available, not deprecated, and bears the recipe's fingerprint. Nothing is launched or changed: a call
    or two find the source image, and one in each region the rest.

    Args:
        recipe: with every option as it is wanted.
        aws: where.
        publish: what is to become of the image; decides what is `lacking`. Whom it is shared with is not compared.
        engine: its mirror and lock file count.
        trust: what downloads must be; None for what the lock file says.
        max_age_days: how old the image may be, for what no fingerprint knows: updates of packages. 0 for any age.

    Raises:
        SourceImageNotFound: nothing answers the description of the source image.
        ConfigError: there is no region, or the lock file cannot be read.
        RecipeError: two resources contradict each other.
        AwsRefused: AWS does not let us ask.
    """
    engine, publish = engine or EngineSettings(), publish or PublishSettings()
    session = open_session(aws)
    home = open_clients(aws, session=session)
    trust = Lockfile(Path(engine.lock_file)).trust() if trust is None else trust
    wanted = fingerprint(recipe, resolve(home, recipe.source).ami, trust, engine.mirror)
    if not wanted:
        return None

    def open_in(region: str) -> Clients:
        return open_clients(aws.model_copy(update={"region": region}), session=session)

    regions = open_regions(home, (home.region, *publish.regions), open_in)
    found = read([*regions.values()], Search(tags={FINGERPRINT: (wanted,)}, uses=False)).entries
    entry = next(_baked_in(home.region, found, max_age_days), None)
    return _existing(entry, publish) if entry else None


def _baked_in(region: str, entries: Iterable[Entry], max_age_days: float) -> Iterator[Entry]:
    """Give those images that were baked in a region, are good, and not too old."""
    oldest = datetime.now(UTC) - timedelta(days=max_age_days)
    for entry in entries:
        first = entry.amis[0]
        young = not max_age_days or first.created >= oldest
        if first.region == region and first.id == entry.id and _good(first) and young:
            yield entry


def _good(ami: Ami) -> bool:
    deprecated = ami.deprecated is not None and ami.deprecated <= datetime.now(UTC)
    return ami.state == "available" and ami.stage in _GOOD and not deprecated


def _existing(entry: Entry, publish: PublishSettings) -> Existing:
    first = entry.amis[0]
    published = {ami.region: ami.id for ami in entry.amis if _good(ami) and ami.stage == "published"}
    lacking = _lacking(entry, first.region, published, publish) if publish.wanted else ()
    return Existing(
        image=first.id,
        name=first.name,
        region=first.region,
        recipe=entry.recipe,
        fingerprint=entry.fingerprint,
        run=entry.run,
        created=first.created,
        stage=first.stage,
        published=published,
        lacking=tuple(lacking),
    )


def _lacking(entry: Entry, home: str, published: Mapping[str, str], publish: PublishSettings) -> Iterator[str]:
    for region in dict.fromkeys((home, *publish.regions)):
        if region not in published:
            yield f"not published in {region}"
    if publish.pointer and publish.channel not in entry.channels:
        yield f"not named by the pointer of {publish.channel}"
