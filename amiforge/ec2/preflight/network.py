"""Where the builder is attached: subnets that are there, have room, and lead where they have to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from amiforge.ec2.network import Subnet
from amiforge.ec2.preflight.finding import Finding, Unasked, ask, fact, problem, warning
from amiforge.ec2.preflight.services import Services

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import RouteTableAssociationTypeDef, RouteTableTypeDef, RouteTypeDef, SubnetTypeDef

_TITLE = "subnets"
_WHERE = "builder.subnets"
#: Addresses that a bake takes at once: the builder may still be on its way down when the image is verified.
_ADDRESSES = 2

WayOut = Literal["internet gateway", "another gateway", "none"]


@dataclass(frozen=True, slots=True)
class Place:
    """A subnet, how many addresses it has left, and whether it is usable at all."""

    subnet: Subnet
    free: int
    state: str = "available"
    ipv4: bool = True


def look(services: Services, wanted: Sequence[str]) -> tuple[Place, ...] | Unasked:
    """Describe the wanted subnets as far as they exist, in their order; those of the default VPC if none are wanted."""
    ec2 = services.clients.ec2

    def describe() -> tuple[Place, ...]:
        # Asked for by filter, since one unknown id would make EC2 refuse all of them.
        values = ("subnet-id", list(wanted)) if wanted else ("default-for-az", ["true"])
        found = ec2.describe_subnets(Filters=[{"Name": values[0], "Values": values[1]}])["Subnets"]
        found.sort(key=lambda each: wanted.index(each["SubnetId"]) if wanted else -each["AvailableIpAddressCount"])
        return tuple(map(_place, found))

    return ask(describe)


def _place(found: SubnetTypeDef) -> Place:
    subnet = Subnet(found["SubnetId"], found["VpcId"], found["AvailabilityZone"], found.get("CidrBlock", ""))
    state = found.get("State", "available")
    return Place(subnet, found["AvailableIpAddressCount"], state, ipv4=not found.get("Ipv6Native", False))


def judge_existence(places: Sequence[Place], wanted: Sequence[str], region: str) -> Iterator[Finding]:
    """Say which of the wanted subnets are missing, or that there is no default VPC; and that all are of one VPC."""
    if not (wanted or places):
        yield problem(_TITLE, f"{region} has no default VPC", "set builder.subnets to subnets of your own", _WHERE)
    known = {place.subnet.id for place in places}
    for missing in (name for name in wanted if name not in known):
        yield problem(_TITLE, f"{region} has no subnet {missing}", "check the id, and --region", _WHERE)
    if len({place.subnet.vpc for place in places}) > 1:
        listed = ", ".join(f"{place.subnet.id} in {place.subnet.vpc}" for place in places)
        yield problem(_TITLE, f"they are of several VPCs: {listed}", "keep those of one VPC", _WHERE)


def judge_room(places: Sequence[Place]) -> Iterator[Finding]:
    """Say which subnets cannot take an instance, and how much room the others have."""
    for place in places:
        if place.state != "available":
            yield problem(_TITLE, f"{place.subnet.id} is {place.state}", "give another", _WHERE)
        if not place.ipv4:
            yield problem(_TITLE, f"{place.subnet.id} has IPv6 addresses only", "give one with IPv4", _WHERE)
    full = [place for place in places if place.ipv4 and place.free < _ADDRESSES]
    for place in full:
        detail = f"{place.subnet.id} has {place.free} free addresses, and a bake takes {_ADDRESSES}"
        fix = "give others, or free some addresses"
        yield (problem if len(full) == len(places) else warning)(_TITLE, detail, fix, _WHERE)
    if places:
        yield fact(_TITLE, ", ".join(f"{p.subnet.id} in {p.subnet.zone} ({p.free} free)" for p in places), _WHERE)


def tables(services: Services, places: Sequence[Place]) -> Sequence[RouteTableTypeDef] | Unasked:
    """Give the route tables of the subnets' VPCs."""
    vpcs = sorted({place.subnet.vpc for place in places})
    pages = services.clients.ec2.get_paginator("describe_route_tables")

    def describe() -> Sequence[RouteTableTypeDef]:
        asked = pages.paginate(Filters=[{"Name": "vpc-id", "Values": vpcs}])
        return [table for page in asked for table in page["RouteTables"]]

    return ask(describe) if vpcs else ()


def way_out(subnet: Subnet, found: Sequence[RouteTableTypeDef]) -> WayOut:
    """Tell where packets to anywhere go from a subnet: by its own route table, else by the main one of its VPC."""
    own = _associated(found, lambda each: each.get("SubnetId") == subnet.id)
    main = _associated(
        [table for table in found if table.get("VpcId") == subnet.vpc], lambda each: each.get("Main", False)
    )
    routes = [
        route
        for route in (own or main or {"Routes": []})["Routes"]
        if route.get("DestinationCidrBlock") == "0.0.0.0/0" and route.get("State", "active") == "active"
    ]
    if any(route.get("GatewayId", "").startswith("igw-") for route in routes):
        return "internet gateway"
    return "another gateway" if any(map(_leads_somewhere, routes)) else "none"


def judge_routes(places: Sequence[Place], found: Sequence[RouteTableTypeDef], *, public: bool) -> Iterator[Finding]:
    """Say from which subnets a builder with a public address, or without one, cannot be reached or reaches nothing."""
    found_by = {way: [p.subnet.id for p in places if way_out(p.subnet, found) == way] for way in get_args(WayOut)}
    good: WayOut = "internet gateway" if public else "another gateway"
    for way, names in found_by.items():
        listed = ", ".join(names)
        if names and way == good:
            yield fact("routes", f"{listed}: {way}", _WHERE)
        elif names and public:
            detail = f"{listed}: no route to an internet gateway, so a public address leads nowhere"
            yield problem("routes", detail, "give public subnets, or go in by another way", _WHERE)
        elif names:
            detail = f"{listed}: no route to a NAT or transit gateway, so a builder without public address gets nothing"
            fix = "add one, or set engine.mirror to a mirror that can be reached from there"
            yield warning("routes", detail, fix, _WHERE)


def _associated(
    found: Sequence[RouteTableTypeDef], fits: Callable[[RouteTableAssociationTypeDef], bool]
) -> RouteTableTypeDef | None:
    return next((table for table in found if any(map(fits, table.get("Associations", [])))), None)


def _leads_somewhere(route: RouteTypeDef) -> bool:
    ways = ("NatGatewayId", "TransitGatewayId", "NetworkInterfaceId", "InstanceId", "VpcPeeringConnectionId")
    return any(route.get(way) for way in ways) or route.get("GatewayId", "").startswith("vgw-")
