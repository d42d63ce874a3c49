"""Every image of ours in some regions, each with its copies, and what is known of who uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from amiforge.ec2.image_use import (
    Use,
    instances,
    not_offered,
    pointers,
    portions,
    references,
    scaling_groups,
    shares,
    templates,
)
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import ARCH, CHANNEL, COPY_OF, EXPIRES, FINGERPRINT, OS, RECIPE, RUN, SOURCE, STATE
from amiforge.errors import AwsRefused

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Ami:
    """An image of ours in one region.

    Attributes:
        region: where it is.
        id: EC2's id.
        name: its name.
        state: EC2's word for how it is: `available`, `disabled`, `pending`, `failed`.
        created: when it was made; of a copy, when it was copied.
        tags: all of them.
        launched: when it was last launched; None for never. EC2 says so a day later.
        deprecated: from when on it is deprecated; None for never.
        protected: it is protected from being deregistered.
        shared: who else may launch it: accounts, ARNs of organizations and their units, `all` for everybody.
        size: GiB of its volumes.
        encrypted: all of its snapshots are.
        snapshots: their ids.
        pointers: names of SSM parameters that name it.
        users: what else uses it, in words; instances by their ids.
        doubts: what could not be found out about who uses it, and why.
    """

    region: str
    id: str
    name: str
    state: str
    created: datetime
    tags: Mapping[str, str] = field(default_factory=dict)
    launched: datetime | None = None
    deprecated: datetime | None = None
    protected: bool = False
    shared: tuple[str, ...] = ()
    size: int = 0
    encrypted: bool = False
    snapshots: tuple[str, ...] = ()
    pointers: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def stage(self) -> str:
        """How far it has come: `candidate`, `verified`, `published`."""
        return self.tags.get(STATE, "")

    @property
    def expires(self) -> str:
        """Until when it is kept, if it is not finished."""
        return self.tags.get(EXPIRES, "")

    @property
    def of(self) -> str:
        """The image that it is a copy of, or it itself."""
        return self.tags.get(COPY_OF) or self.id


@dataclass(frozen=True, slots=True)
class Entry:
    """An image with its copies in other regions; the one they were made of comes first, if it is still there."""

    amis: tuple[Ami, ...]

    @property
    def id(self) -> str:
        """The id of the image that the others are copies of."""
        return self.amis[0].of

    @property
    def name(self) -> str:
        """Its name."""
        return self.amis[0].name

    @property
    def run(self) -> str:
        """The run that made it."""
        return self._tag(RUN)

    @property
    def recipe(self) -> str:
        """What it was baked from."""
        return self._tag(RECIPE)

    @property
    def os(self) -> str:
        """Its operating system."""
        return self._tag(OS)

    @property
    def arch(self) -> str:
        """Its architecture."""
        return self._tag(ARCH)

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that it is current in."""
        return tuple(self._tag(CHANNEL).split())

    @property
    def fingerprint(self) -> str:
        """Of everything that decided what is on it."""
        return self._tag(FINGERPRINT)

    @property
    def source(self) -> str:
        """The image that it was made of."""
        return self._tag(SOURCE)

    @property
    def stage(self) -> str:
        """How far it has come: `verified`, `published`, `superseded`."""
        return self.amis[0].stage

    @property
    def created(self) -> datetime:
        """When it was made."""
        return min(ami.created for ami in self.amis)

    @property
    def launched(self) -> datetime | None:
        """When any of them was last launched."""
        return max((ami.launched for ami in self.amis if ami.launched), default=None)

    @property
    def regions(self) -> tuple[str, ...]:
        """Where it is."""
        return tuple(ami.region for ami in self.amis)

    @property
    def shared(self) -> tuple[str, ...]:
        """Who else may launch any of them."""
        return tuple(dict.fromkeys(name for ami in self.amis for name in ami.shared))

    def _tag(self, name: str) -> str:
        return self.amis[0].tags.get(name, "")


@dataclass(frozen=True, slots=True)
class Search:
    """Which images are wanted, and where parameters may name them; what is empty excludes nothing.

    Attributes:
        tags: tag to the values of which an image bears one.
        ids: of images.
        path: below which SSM parameters point to images; empty for none.
        uses: look who uses them; costs a few calls a region, and one an image.
    """

    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    path: str = ""
    uses: bool = True


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What was found, newest first; `problems` are the regions that could not be looked through, and why."""

    entries: tuple[Entry, ...]
    problems: tuple[str, ...] = ()


def pointer_path(template: str) -> str:
    """Give the path below which all parameters of a template are: `/amiforge` of `/amiforge/{recipe}/{os}`."""
    fixed = template.partition("{")[0]
    return (fixed if fixed == template else fixed.rpartition("/")[0] or "/") if template else ""


def read(regions: Sequence[Clients], search: Search | None = None) -> Catalogue:
    """Find every image of ours in several regions at once. What bears no tag of a run is never seen."""
    search = search or Search()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        parts = list(pool.map(lambda clients: _read(clients, search), regions))
    problems = tuple(problem for _, problems in parts for problem in problems)
    return Catalogue(group(ami for amis, _ in parts for ami in amis), problems)


def group(amis: Iterable[Ami]) -> tuple[Entry, ...]:
    """Put copies to the image that they are copies of; newest first."""
    found: dict[str, list[Ami]] = {}
    for ami in amis:
        found.setdefault(ami.of, []).append(ami)
    entries = (Entry(tuple(sorted(each, key=lambda ami: (ami.of != ami.id, ami.region)))) for each in found.values())
    return tuple(sorted(entries, key=lambda entry: (entry.created, entry.id), reverse=True))


def _read(clients: Clients, search: Search) -> tuple[list[Ami], list[str]]:
    try:
        amis = [_ami(clients.region, image) for image in _images(clients, search)]
    except AwsRefused as error:
        return [], [f"{clients.region}: {error.message}"]
    return _with_uses(clients, amis, search.path) if amis and search.uses else amis, []


def _images(clients: Clients, search: Search) -> Iterator[ImageTypeDef]:
    filters: list[FilterTypeDef] = [{"Name": "tag-key", "Values": [RUN]}]
    filters += [{"Name": f"tag:{tag}", "Values": list(values)} for tag, values in search.tags.items() if values]
    pages = clients.ec2.get_paginator("describe_images")
    for part in portions(search.ids) if search.ids else ([],):
        wanted: list[FilterTypeDef] = [*filters, {"Name": "image-id", "Values": part}] if part else filters
        for page in pages.paginate(Owners=["self"], IncludeDisabled=True, Filters=wanted):
            yield from (image for image in page["Images"] if image["State"] != "deregistered")


def _ami(region: str, image: ImageTypeDef) -> Ami:
    volumes = [mapping["Ebs"] for mapping in image.get("BlockDeviceMappings", ()) if "Ebs" in mapping]
    return Ami(
        region,
        image["ImageId"],
        image.get("Name", ""),
        image["State"],
        time(image["CreationDate"]) or datetime.now(UTC),
        {tag["Key"]: tag["Value"] for tag in image.get("Tags", ())},
        launched=time(image.get("LastLaunchedTime")),
        deprecated=time(image.get("DeprecationTime")),
        # After protection is taken off there may be a cooldown, in which it still holds.
        protected=image.get("DeregistrationProtection", "disabled") not in {"", "disabled"},
        size=sum(volume.get("VolumeSize", 0) for volume in volumes),
        encrypted=bool(volumes) and all(volume.get("Encrypted") for volume in volumes),
        snapshots=tuple(volume["SnapshotId"] for volume in volumes if volume.get("SnapshotId")),
    )


def time(given: str | None) -> datetime | None:
    """Read a time as EC2 writes it."""
    found = datetime.fromisoformat(given) if given else None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def _with_uses(clients: Clients, amis: Sequence[Ami], path: str) -> list[Ami]:
    """Add who uses images. What cannot be asked casts doubt on all of them."""
    ids = tuple(ami.id for ami in amis)
    looks: dict[str, Callable[[], Iterator[Use]]] = {
        "instances": partial(instances, clients, ids),
        "launch templates": partial(templates, clients, ids),
        "Auto Scaling groups": partial(scaling_groups, clients, ids),
        "references": partial(references, clients, ids),
    }
    if path:
        looks["pointers"] = partial(pointers, clients, path, ids)
    found = {name: _look(look) for name, look in looks.items()}
    doubts = tuple(f"{name} cannot be looked through, {said}" for name, (_, said) in found.items() if said)
    uses = [use for each, _ in found.values() for use in each]
    return [_with_shares(clients, _with_users(replace(ami, doubts=doubts), uses)) for ami in amis]


def _with_users(ami: Ami, uses: Sequence[Use]) -> Ami:
    """Add who uses an image, and apart from those, which parameters name it: they are found on two ways."""
    names = dict.fromkeys(name.removeprefix("parameter") for image, name in uses if image == ami.id)
    parameters = tuple(sorted(name for name in names if name.startswith("/")))
    return replace(ami, pointers=parameters, users=tuple(name for name in names if name not in parameters))


def _look(look: Callable[[], Iterator[Use]]) -> tuple[list[Use], str]:
    try:
        return list(look()), ""
    except AwsRefused as error:
        return [], "" if not_offered(error) else error.message


def _with_shares(clients: Clients, ami: Ami) -> Ami:
    try:
        return replace(ami, shared=shares(clients, ami.id))
    except AwsRefused as error:
        return replace(ami, doubts=(*ami.doubts, f"shares cannot be looked up, {error.message}"))
