"""All questions at once: which wait for the answer to which, and in which order their findings are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from amiforge.ec2 import policy
from amiforge.ec2.builder import Builder
from amiforge.ec2.preflight import (
    account,
    caller,
    encryption,
    image_name,
    instance_profile,
    instance_types,
    network,
    quotas,
    reserved_room,
    simulation,
    source,
    trial,
    way_in,
)
from amiforge.ec2.preflight.caller import Caller
from amiforge.ec2.preflight.finding import Finding, Unasked, ask, warning
from amiforge.ec2.preflight.instance_types import Types
from amiforge.ec2.preflight.network import Place
from amiforge.ec2.preflight.services import CONNECTIONS, Services
from amiforge.ec2.preflight.source import Source
from amiforge.ec2.preflight.wanted import Wanted, estimate
from amiforge.ec2.publication.policy import publishing
from amiforge.ec2.tags import ARCH, OS, RECIPE
from amiforge.errors import ConfigError, SourceImageNotFound

T = TypeVar("T")

_ORDER = ("problem", "warning", "fact")


def preflight(services: Services, wanted: Wanted) -> tuple[Finding, ...]:
    """Ask everything that can be known before a bake, and give what was found: problems, then warnings, then facts.

    Nothing is made or changed. The questions go out in parallel, so that it takes seconds.
    """
    who = caller.look(services)
    if isinstance(who, Unasked) and caller.refused(who):
        return tuple(caller.judge_refused(who))
    # Some questions wait for the answers to others: every one needs a thread of its own.
    with ThreadPoolExecutor(max_workers=2 * CONNECTIONS) as pool:
        asked = _Asked.at_once(pool, services, wanted)
        questions = Questions(services, wanted, who, asked)
        running = [pool.submit(_all, question) for question in questions.all()]
        found = [finding for each in running for finding in each.result()]
    return tuple(sorted(dict.fromkeys(found), key=lambda each: _ORDER.index(each.level)))


def _all(question: Callable[[], Iterable[Finding]]) -> list[Finding]:
    return list(question())


@dataclass(frozen=True, slots=True)
class _Asked:
    """Answers that several questions need."""

    source: Future[Source | SourceImageNotFound | Unasked]
    places: Future[tuple[Place, ...] | Unasked]
    types: Future[Types | Unasked]

    @classmethod
    def at_once(cls, pool: ThreadPoolExecutor, services: Services, wanted: Wanted) -> _Asked:
        builder = wanted.builder
        return cls(
            pool.submit(source.look, services, wanted.source),
            pool.submit(network.look, services, builder.subnets),
            pool.submit(instance_types.look, services, builder.instance_types),
        )


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of one preflight; each gives its findings, and is asked in a thread of its own."""

    services: Services
    wanted: Wanted
    who: Caller | Unasked
    asked: _Asked

    def all(self) -> Iterator[Callable[[], Iterable[Finding]]]:
        """Give all of them, in the order of their findings."""
        yield self.identity
        yield self.lifetime
        yield self.image
        yield self.types
        yield self.offers
        yield self.subnets
        yield self.routes
        yield self.way_in
        yield self.profile
        yield self.key
        yield self.name
        yield self.reservations
        yield self.quotas
        yield self.trials
        yield self.simulations
        yield lambda: account.judge_encryption(self.services)
        yield lambda: account.judge_public_access(self.services)
        yield self.allowed

    @property
    def _source(self) -> Source | None:
        found = self.asked.source.result()
        return found if isinstance(found, Source) else None

    @property
    def _places(self) -> tuple[Place, ...]:
        found = self.asked.places.result()
        return () if isinstance(found, Unasked) else found

    @property
    def _types(self) -> Types:
        found = self.asked.types.result()
        return {} if isinstance(found, Unasked) else found

    def identity(self) -> Iterable[Finding]:
        """Say who bakes."""
        return [self.who.finding("caller")] if isinstance(self.who, Unasked) else caller.judge_caller(self.who)

    def lifetime(self) -> Iterable[Finding]:
        """Say whether the credentials live long enough."""
        credentials = self.services.credentials
        if credentials is None or self.services.clients.local:
            return
        found = ask(lambda: caller.lifetime(credentials))
        if isinstance(found, Unasked):
            yield found.finding("credentials")
            return
        root = self._source.image.root_gib if self._source else 0
        seconds = estimate(self.wanted.tasks, max(root, self.wanted.builder.volume_gib))
        yield from caller.judge_lifetime(found, seconds, datetime.now(UTC))

    def image(self) -> Iterable[Finding]:
        """Say whether the source image is there and right."""
        found, where = self.asked.source.result(), source.place(self.wanted.source)
        if isinstance(found, Unasked):
            return [found.finding("source image", where, needed=True)]
        if isinstance(found, SourceImageNotFound):
            return source.judge_missing(found, where)
        return source.judge(found, self.wanted.builder.volume_gib, where, datetime.now(UTC))

    def types(self) -> Iterable[Finding]:
        """Say whether the instance types are there and can boot the image."""
        found = self.asked.types.result()
        if isinstance(found, Unasked):
            yield found.finding("instance types")
            return
        region = self.services.clients.region
        yield from instance_types.judge_existence(
            self.wanted.builder.instance_types, found, self.wanted.source.architecture, region
        )
        if self._source:
            yield from instance_types.judge_boot(found, self._source.image)

    def offers(self) -> Iterable[Finding]:
        """Say whether the types are offered where the builder may be."""
        zones = [place.subnet.zone for place in self._places]
        if not (self._types and zones):
            return ()
        found = instance_types.offered(self.services, tuple(self._types))
        if isinstance(found, Unasked):
            return [found.finding("instance types")]
        return instance_types.judge_offers(found, zones)

    def subnets(self) -> Iterable[Finding]:
        """Say whether the subnets are there and have room."""
        found = self.asked.places.result()
        if isinstance(found, Unasked):
            yield found.finding("subnets", "builder.subnets", needed=True)
            return
        yield from network.judge_existence(found, self.wanted.builder.subnets, self.services.clients.region)
        yield from network.judge_room(found)

    def routes(self) -> Iterable[Finding]:
        """Say whether the builder can be reached, and reach others."""
        found = network.tables(self.services, self._places)
        if isinstance(found, Unasked):
            return [found.finding("routes")]
        return network.judge_routes(self._places, found, public=self.wanted.builder.address == "public")

    def way_in(self) -> Iterable[Finding]:
        """Say whether the builder can be connected to."""
        subnet = self._places[0].subnet if self._places else None
        return way_in.judge(self.services, self.wanted.builder, subnet)

    def profile(self) -> Iterable[Finding]:
        """Say whether the instance profile can be given."""
        name = self.wanted.builder.profile
        if not name:
            return ()
        found = instance_profile.look(self.services, name)
        return (
            [found.finding("instance profile")] if isinstance(found, Unasked) else instance_profile.judge(name, found)
        )

    def key(self) -> Iterable[Finding]:
        """Say whether the volumes can be encrypted."""
        named = self.wanted.builder.kms_key
        if not named:
            default = encryption.default_key(self.services)
            if isinstance(default, Unasked):
                return [default.finding("encryption key")]
            return encryption.judge_default(default)
        found = encryption.look(self.services, named)
        if isinstance(found, Unasked):
            return encryption.judge_unasked(found, named)
        return encryption.judge(found, self.services.clients.region)

    def name(self) -> Iterable[Finding]:
        """Say whether the image can have its name."""
        return image_name.judge(self.services, self.wanted)

    def reservations(self) -> Iterable[Finding]:
        """Say whether reserved room can be used."""
        builder = self.wanted.builder
        found = [(name, reserved_room.look(self.services, name)) for name in builder.capacity_reservations]
        yield from (each.finding("capacity reservations") for _, each in found if isinstance(each, Unasked))
        described = [(name, each) for name, each in found if not isinstance(each, Unasked)]
        yield from reserved_room.judge(described, builder, [place.subnet for place in self._places])

    def quotas(self) -> Iterable[Finding]:
        """Say whether the quotas of on-demand and spot have room."""
        types = [self._types[name] for name in self.wanted.builder.instance_types if name in self._types]
        markets = [market for market in ("on-demand", "spot") if market in self.wanted.builder.markets]
        busy = quotas.running(self.services) if types and markets else ()
        if isinstance(busy, Unasked):
            yield busy.finding("running instances")
            return
        others = instance_types.look(self.services, [name for name, _ in busy])
        if isinstance(others, Unasked):
            yield others.finding("running instances")
            return
        used = quotas.count(busy, {**others, **self._types})
        for market in markets:
            limits: dict[str, float] = {}
            for code in quotas.codes(types, market):
                limit = quotas.limit(self.services, code)
                if isinstance(limit, Unasked):
                    yield limit.finding(f"{market} vCPU quota")
                else:
                    limits[code] = limit
            yield from quotas.judge(types, market, limits, used)

    def trials(self) -> Iterable[Finding]:
        """Say what EC2 would carry out."""
        subnets, wanted = [place.subnet for place in self._places], replace(self.wanted, builder=self._fitting())
        image = self._source.image if self._source else None
        try:
            found = ask(lambda: list(trial.trials(self.services, wanted, image, subnets)))
        except ConfigError as error:
            found = Unasked(error.message, error.lines.get("fix", ""))
        if isinstance(found, Unasked):
            yield found.finding("permissions")
            return
        if "ec2:RunInstances" not in {each.action for each in found}:
            fix = "see what is said of the source image, the subnets and the instance types"
            yield warning("permissions", "nothing can be launched on trial before everything for it is known", fix)
        with ThreadPoolExecutor(len(found)) as pool:
            yield from trial.judge(list(zip(found, pool.map(trial.attempt, found), strict=True)))

    def _fitting(self) -> Builder:
        """Give the builder without the types that it cannot be launched as."""
        types, architecture = self._types, self.wanted.source.architecture
        names = [name for name in self.wanted.builder.instance_types if name in types]
        fitting = tuple(name for name in names if architecture in types[name].architectures)
        return self.wanted.builder.model_copy(update={"instance_types": fitting})

    def simulations(self) -> Iterable[Finding]:
        """Say what the caller may do that cannot be done on trial."""
        if isinstance(self.who, Unasked):
            return
        arn = simulation.principal(self.services, self.who)
        if isinstance(arn, Unasked):
            yield arn.finding("permissions")
            return
        where = policy.Place(self.services.clients.region, self.who.account, self.who.partition)
        wanted = self.wanted
        about = {RECIPE: wanted.recipe, OS: wanted.source.os, ARCH: wanted.source.architecture}
        found = (*policy.statements(wanted.source, wanted.builder, where), *publishing(wanted.publish, where, about))
        yield from simulation.judge_all(self.services, arn, simulation.subjects(found))

    def allowed(self) -> Iterable[Finding]:
        """Say which images the account may use."""
        settings = account.look_allowed(self.services)
        if isinstance(settings, Unasked):
            return [settings.finding("Allowed AMIs")]
        return account.judge_allowed(settings, found=self._source is not None)
