"""What runs left behind in a region, found by its tags alone, and how each kind of it is removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from amiforge.ec2.image_use import instances, portions, shares, templates
from amiforge.ec2.refusal import code
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import EXPIRES, ROLE, RUN, STATE
from amiforge.errors import AwsRefused

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

Kind = Literal[
    "instance", "spot request", "image", "network interface", "volume", "snapshot", "security group", "key pair"
]
#: Every kind of thing that a run makes, in the order of removal: what costs most first, and users before what they use.
KINDS: tuple[Kind, ...] = get_args(Kind)

#: A state that means: it is gone, and EC2 only remembers it.
_GONE = frozenset({"terminated", "deleted", "deregistered", "cancelled", "closed"})
#: Ends of codes that say: not now, something still uses it.
_BUSY = ("DependencyViolation", "VolumeInUse", "IncorrectState", ".InUse")
#: The same for: it is gone.
_NOT_THERE = (".NotFound", ".Unavailable")

#: States of an image that somebody may rely on.
_FINISHED = frozenset({"verified", "published", "superseded"})


@dataclass(frozen=True, slots=True)
class Thing:
    """Something in EC2 that bears a run's tag.

    Attributes:
        region: where it is.
        kind: what it is.
        id: EC2's id; of a key pair too.
        state: EC2's word for how it is, if it has one for this kind.
        tags: all of them.
        created: since when it is there; None where EC2 does not say.
        instances: ids of the instances that it is attached to, or that run it.
        users: what else uses it, in words.
    """

    region: str
    kind: Kind
    id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    created: datetime | None = None
    instances: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    @property
    def run(self) -> str:
        """The run that made it; empty when the tag is missing."""
        return self.tags.get(RUN, "")

    @property
    def role(self) -> str:
        """What it is for."""
        return self.tags.get(ROLE, "")

    @property
    def expires(self) -> str:
        """Until when nobody else may remove it, as its tag says."""
        return self.tags.get(EXPIRES, "")

    @property
    def stage(self) -> str:
        """How far an image, or the image of a snapshot, has come: `candidate`, `verified`."""
        return self.tags.get(STATE, "")

    @property
    def finished(self) -> bool:
        """Tell whether it is an image that stays, or part of one: proven, or made without proof as asked."""
        return self.stage in _FINISHED or (self.stage == "unverified" and not self.expires)


def regions(clients: Clients) -> tuple[str, ...]:
    """Give every region that is enabled for the account."""
    return tuple(sorted(region["RegionName"] for region in clients.ec2.describe_regions()["Regions"]))


def find(clients: Clients, kind: Kind, run: str = "") -> tuple[Thing, ...]:
    """Find what there is of one kind with the tag of a run, or of any run. What has no such tag is never seen.

    Raises:
        AwsRefused: EC2 refuses to list it.
    """
    bears: FilterTypeDef = {"Name": f"tag:{RUN}", "Values": [run]} if run else {"Name": "tag-key", "Values": [RUN]}
    found = (_thing(clients.region, kind, one) for one in _listed(clients, kind, [bears]))
    there = [thing for thing in found if thing.state not in _GONE and (kind, thing.state) != ("spot request", "failed")]
    return tuple(_without_image(clients, there) if kind == "snapshot" else there)


def image_users(clients: Clients, image: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give who uses an image: the ids of instances that run it, and in words, templates and accounts that launch it.

    Of a launch template, the default and the latest version count. One that names its image by an SSM parameter is not
    looked through.

    Raises:
        AwsRefused: EC2 refuses to say.
    """
    running = tuple(name for _, name in instances(clients, (image,)))
    launching = dict.fromkeys(name for _, name in templates(clients, (image,)))
    return running, (*launching, *(f"shared with {name}" for name in shares(clients, image)))


def remove(clients: Clients, thing: Thing) -> None:
    """Ask EC2 to remove something. What is gone already, or cannot go before something else has gone, is no error.

    An image's snapshots are not removed with it: without their image they are things of their own.

    Raises:
        AwsRefused: EC2 says no.
    """
    if thing.state == "shutting-down" or (thing.instances and thing.kind in {"volume", "network interface"}):
        return
    try:
        _REMOVE[thing.kind](clients.ec2, thing.id)
    except AwsRefused as error:
        if not code(error).endswith((*_BUSY, *_NOT_THERE)):
            raise


_REMOVE: Mapping[Kind, Callable[[Any, str], object]] = {
    "instance": lambda ec2, name: ec2.terminate_instances(InstanceIds=[name]),
    "spot request": lambda ec2, name: ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[name]),
    "image": lambda ec2, name: ec2.deregister_image(ImageId=name),
    "network interface": lambda ec2, name: ec2.delete_network_interface(NetworkInterfaceId=name),
    "volume": lambda ec2, name: ec2.delete_volume(VolumeId=name),
    "snapshot": lambda ec2, name: ec2.delete_snapshot(SnapshotId=name),
    "security group": lambda ec2, name: ec2.delete_security_group(GroupId=name),
    "key pair": lambda ec2, name: ec2.delete_key_pair(KeyPairId=name),
}

#: The listing of each kind, the name of its list, of the id, and of the time when it was made.
_LISTING: Mapping[Kind, tuple[str, str, str, str]] = {
    "instance": ("describe_instances", "Instances", "InstanceId", "LaunchTime"),
    "spot request": (
        "describe_spot_instance_requests",
        "SpotInstanceRequests",
        "SpotInstanceRequestId",
        "CreateTime",
    ),
    "image": ("describe_images", "Images", "ImageId", "CreationDate"),
    "network interface": ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId", ""),
    "volume": ("describe_volumes", "Volumes", "VolumeId", "CreateTime"),
    "snapshot": ("describe_snapshots", "Snapshots", "SnapshotId", "StartTime"),
    "security group": ("describe_security_groups", "SecurityGroups", "GroupId", ""),
    "key pair": ("describe_key_pairs", "KeyPairs", "KeyPairId", "CreateTime"),
}

#: Kinds that everybody's are listed of, unless told otherwise.
_OWN: Mapping[str, Mapping[str, Any]] = {
    "image": {"Owners": ["self"], "IncludeDisabled": True},
    "snapshot": {"OwnerIds": ["self"]},
}


def _listed(clients: Clients, kind: Kind, filters: list[FilterTypeDef]) -> Iterator[Mapping[str, Any]]:
    ec2: Any = clients.ec2
    operation, name, _, _ = _LISTING[kind]
    match kind:
        case "instance":
            yield from _instances(clients, filters)
        case "key pair":  # the one listing without pages
            yield from ec2.describe_key_pairs(Filters=filters)[name]
        case _:
            for page in ec2.get_paginator(operation).paginate(Filters=filters, **_OWN.get(kind, {})):
                yield from page[name]


def _instances(clients: Clients, filters: list[FilterTypeDef]) -> Iterator[Mapping[str, Any]]:
    for page in clients.ec2.get_paginator("describe_instances").paginate(Filters=filters):
        for reservation in page["Reservations"]:
            yield from reservation["Instances"]


def _thing(region: str, kind: Kind, found: Mapping[str, Any]) -> Thing:
    _, _, id_name, time_name = _LISTING[kind]
    state = found.get("State") or found.get("Status") or ""
    attached = [*found.get("Attachments", ()), found.get("Attachment", {})]
    return Thing(
        region,
        kind,
        found[id_name],
        {tag["Key"]: tag["Value"] for tag in found.get("Tags") or found.get("TagSet") or ()},
        state["Name"] if isinstance(state, Mapping) else state,
        _time(found.get(time_name)),
        tuple(one["InstanceId"] for one in attached if one.get("InstanceId")),
    )


def _time(given: datetime | str | None) -> datetime | None:
    """Give a time that EC2 tells as such, or as text as it does of images."""
    return datetime.fromisoformat(given) if isinstance(given, str) else given


def _without_image(clients: Clients, snapshots: Iterable[Thing]) -> Iterator[Thing]:
    """Leave out snapshots that are part of an image, which is a thing of its own."""
    there = {snapshot.id: snapshot for snapshot in snapshots}
    pages = clients.ec2.get_paginator("describe_images")
    for part in portions(list(there)):
        filters: list[FilterTypeDef] = [{"Name": "block-device-mapping.snapshot-id", "Values": part}]
        for page in pages.paginate(Owners=["self"], IncludeDisabled=True, Filters=filters):
            for image in page["Images"]:
                for mapping in image.get("BlockDeviceMappings", []):
                    there.pop(mapping.get("Ebs", {}).get("SnapshotId", ""), None)
    yield from there.values()
