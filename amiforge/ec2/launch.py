"""Launching an instance of a run where EC2 has room for it: exactly one, whatever becomes of the answers."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from amiforge.ec2.builder import RESERVED, Builder
from amiforge.ec2.capacity import Candidate, Walk, after_end, after_refusal, why
from amiforge.ec2.instances import Instance, instance_of, terminate_instances, wait_running
from amiforge.ec2.itinerary import Itinerary, span
from amiforge.ec2.make import resend
from amiforge.ec2.refusal import advice
from amiforge.ec2.resolve import ResolvedImage
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import Tags
from amiforge.errors import AwsRefused, LaunchFailed

if TYPE_CHECKING:
    from mypy_boto3_ec2.literals import InstanceTypeType
    from mypy_boto3_ec2.type_defs import (
        BlockDeviceMappingTypeDef,
        EbsBlockDeviceTypeDef,
        RunInstancesRequestTypeDef,
        SpotMarketOptionsTypeDef,
    )

#: How many attempts in one place a run may have made whose answer a later process asks for again.
_ATTEMPTS = 10_000


class _StillPending(LaunchFailed):
    """An instance did not run in time, and may still do so; never leaves this module."""


@dataclass(frozen=True, slots=True)
class Order:
    """An instance to launch.

    Attributes:
        role: what it is for, and its tag: `builder`, `verify`.
        image: what it boots.
        builder: volume, profile and address.
        key_name: the key pair to log in with.
        group: its security group.
        user_data: what cloud-init gets.
        tags: those of the run.
    """

    role: str
    image: ResolvedImage
    builder: Builder
    key_name: str
    group: str
    user_data: str
    tags: Tags


def launch(  # noqa: PLR0913 - each is a fact of its own
    clients: Clients,
    order: Order,
    places: Sequence[Candidate],
    deadline: float,
    *,
    patience: float = 0,
    unanswered: str = "",
    spent: Collection[str] = (),
) -> Instance:
    """Launch where EC2 has room, and wait until the instance runs.

    Every attempt bears a token of its own, with which it is sent again as long as its answer is not known. An
    instance that is given up is terminated before another is asked for, so there is never more than one.

    Args:
        clients: of the region.
        order: what to launch.
        places: where, in the order of preference.
        deadline: seconds in which an instance must run, and in which a call must be answered.
        patience: seconds to go on from place to place; with 0 each is tried once.
        unanswered: the token of an attempt whose answer an earlier process of the run never saw: it is sent first.
        spent: the tokens of all attempts of earlier processes, which are not used for new ones.

    Raises:
        LaunchFailed: EC2 has room nowhere, or ended the instance for a reason that holds everywhere; says what each
            place answered.
        AwsRefused: any other refusal; of the kind `credentials` when they have run out.
    """
    walk = Walk(tuple(places), {place: _unspent(order, place, spent) for place in places})
    first = _find_attempt(order, walk, unanswered) if unanswered else None
    tour = Itinerary(clients.pace, walk, patience)
    for place in tour.places(first):
        instance = _try(clients, order, walk, place, deadline)
        if instance:
            return instance
    raise LaunchFailed(
        f"EC2 has no room for the {order.role} instance in any of {len(walk.places)} places",
        answers=walk.said(),
        tried=f"for {span(tour.waited)}" if patience else "",
        fix=_fix(walk),
    )


def token(order: Order, place: Candidate, attempt: int) -> str:
    """Give the client token of one attempt: the same for the same request, in whichever process sends it.

    At most 64 ASCII characters. Source: RunInstances, EC2 API reference.
    """
    where = (place.instance_type, place.subnet.id, place.market, place.reservation)
    asked = "/".join((order.role, order.image.ami, *where, str(attempt)))
    return f"{order.tags.run}-{hashlib.sha256(asked.encode()).hexdigest()[:24]}"


def request(order: Order, place: Candidate, attempt: int) -> RunInstancesRequestTypeDef:
    """Give the whole call for one attempt. Everything that is safe by being set is set here."""
    asked: RunInstancesRequestTypeDef = {
        "ImageId": order.image.ami,
        "InstanceType": cast("InstanceTypeType", place.instance_type),
        "MinCount": 1,
        "MaxCount": 1,
        "KeyName": order.key_name,
        "ClientToken": token(order, place, attempt),
        "UserData": order.user_data,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 2},
        "BlockDeviceMappings": [*_volumes(order)],
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": place.subnet.id,
                "Groups": list(order.builder.security_groups) or [order.group],
                "AssociatePublicIpAddress": order.builder.address == "public",
                "DeleteOnTermination": True,
            }
        ],
        "TagSpecifications": order.tags.temporary(order.role, "instance", "volume", "network-interface"),
    }
    if place.market == "spot":
        asked["TagSpecifications"] = [
            *asked["TagSpecifications"],
            *order.tags.temporary(order.role, "spot-instances-request"),
        ]
        asked["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": _spot(order.builder)}
    if place.market == "capacity-block":
        asked["InstanceMarketOptions"] = {"MarketType": "capacity-block"}
    if place.market in RESERVED:
        asked["CapacityReservationSpecification"] = {
            "CapacityReservationTarget": {"CapacityReservationId": place.reservation}
        }
    if order.builder.profile:
        asked["IamInstanceProfile"] = {"Name": order.builder.profile}
    return asked


def _spot(builder: Builder) -> SpotMarketOptionsTypeDef:
    """Give the terms of a spot instance: ended, and never launched again, when EC2 wants it back.

    A persistent request would launch another instance whenever one ends. Source: SpotMarketOptions, EC2 API reference.
    """
    terms: SpotMarketOptionsTypeDef = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
    if builder.spot_max_price is not None:
        terms["MaxPrice"] = f"{builder.spot_max_price:f}"
    return terms


def _unspent(order: Order, place: Candidate, spent: Collection[str]) -> int:
    """Give the number of the first attempt in a place that was never made."""
    return next(number for number in itertools.count() if token(order, place, number) not in spent)


def _find_attempt(order: Order, walk: Walk, wanted: str) -> Candidate:
    """Give the place of an attempt, known by its token, and make it the next attempt there."""
    for number in range(_ATTEMPTS):
        for place in walk.places:
            if token(order, place, number) == wanted:
                walk.numbers[place] = number
                return place
    raise LaunchFailed(
        f"the launch of the {order.role} instance that was under way is in none of the places of this run any more",
        token=wanted,
        fix=f"remove what there is with `amiforge gc --run {order.tags.run}`, and bake anew",
    )


def _try(clients: Clients, order: Order, walk: Walk, place: Candidate, deadline: float) -> Instance | None:
    """Launch in one place; None when it has no room."""
    while True:
        number = walk.numbers[place]
        try:
            instance = _send(clients, order, place, number, deadline)
        except AwsRefused as error:
            move = after_refusal(error)
            if move in {"stop", "again"}:
                raise
            if move != "renew":
                walk.refuse(place, why(error), move)
                return None
        else:
            if instance.state in {"pending", "running"}:
                return _await(clients, walk, place, instance, deadline)
            # An earlier process of the run had it, and lost it.
            terminate_instances(clients, [instance.id])
        walk.numbers[place] = number + 1


def _send(clients: Clients, order: Order, place: Candidate, number: int, deadline: float) -> Instance:
    asked = request(order, place, number)
    answer = resend(
        lambda: clients.once.run_instances(**asked),
        clients.pace,
        f"an answer about the {order.role} instance, {place}",
        deadline,
    )
    return instance_of(answer["Instances"][0])


def _await(clients: Clients, walk: Walk, place: Candidate, instance: Instance, deadline: float) -> Instance | None:
    try:
        return wait_running(clients, instance.id, deadline, _StillPending)
    except LaunchFailed as error:
        terminate_instances(clients, [instance.id])
        late = isinstance(error, _StillPending)
        if not late and after_end(error.lines.get("reason", "")) == "stop":
            raise error.add(fix=advice(error.lines.get("reason", "").partition(":")[0])) from None
        walk.refuse(place, f"still pending after {span(deadline)}" if late else why(error), "elsewhere")
        return None


def _fix(walk: Walk) -> str:
    if not walk.round():
        return "ask for a higher vCPU quota in Service Quotas, or give other builder.instance_types"
    return "give more builder.instance_types, builder.subnets or builder.markets, or patience: bake.capacity_patience"


def _volumes(order: Order) -> Iterator[BlockDeviceMappingTypeDef]:
    """Give every volume of the image, encrypted and gone with its instance; the root volume as ordered."""
    builder, image = order.builder, order.image
    extra = [volume for volume in image.volumes if volume.device != image.root_device]
    root: EbsBlockDeviceTypeDef = {
        "VolumeType": "gp3",
        "Iops": builder.volume_iops,
        "Throughput": builder.volume_throughput,
        "Encrypted": True,
        "DeleteOnTermination": True,
    }
    if size := max(builder.volume_gib, image.root_gib):
        root["VolumeSize"] = size
    if builder.kms_key:
        root["KmsKeyId"] = builder.kms_key
    yield {"DeviceName": image.root_device, "Ebs": root}
    for volume in extra:
        yield {
            "DeviceName": volume.device,
            "Ebs": {"VolumeSize": volume.gib, "Encrypted": True, "DeleteOnTermination": True},
        }
