"""Where a builder is attached, and who may reach it: subnets, and a security group of its own."""

from __future__ import annotations

import ipaddress
import socket
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amiforge.ec2.make import make_once
from amiforge.ec2.refusal import code
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import Tags
from amiforge.errors import AwsRefused, ConfigError

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import SubnetTypeDef

#: Answers with the address that a request comes from. Source: "checkip", AWS general reference and SDK examples.
_WHO_AM_I = "https://checkip.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet that an instance can be launched into."""

    id: str
    vpc: str
    zone: str
    cidr: str


def subnets(clients: Clients, wanted: Sequence[str]) -> tuple[Subnet, ...]:
    """Give the wanted subnets in their order, or those of the default VPC, most free addresses first.

    Raises:
        ConfigError: there are none, or they are of several VPCs.
    """
    if wanted:
        found = clients.ec2.describe_subnets(SubnetIds=list(wanted))["Subnets"]
        found.sort(key=lambda subnet: wanted.index(subnet["SubnetId"]))
    else:
        found = clients.ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
        found.sort(key=lambda subnet: (-subnet["AvailableIpAddressCount"], subnet["SubnetId"]))
    given = tuple(_subnet(subnet) for subnet in found)
    if not given:
        raise ConfigError(f"{clients.region} has no default VPC", fix="set builder.subnets to subnets of your own")
    if len({subnet.vpc for subnet in given}) > 1:
        raise ConfigError(
            "builder.subnets are of several VPCs, and one security group must serve them all",
            subnets=", ".join(f"{subnet.id} in {subnet.vpc}" for subnet in given),
            fix="keep those of one VPC",
        )
    return given


def own_cidrs(clients: Clients, subnet: Subnet, address: str) -> tuple[str, ...]:
    """Give this machine's own address as the builder will see it, as the CIDR of one address.

    Args:
        clients: an endpoint on this machine has its instances here, too.
        subnet: where the builder is.
        address: which address of the builder is connected to, `public` or `private`.

    Raises:
        ConfigError: it cannot be found out.
    """
    if clients.local:
        return ("127.0.0.1/32",)
    try:
        mine = _public_address() if address == "public" else _address_towards(subnet.cidr)
        return (f"{ipaddress.IPv4Address(mine)}/32",)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"this machine's own address could not be found out: {error}",
            fix="set builder.ingress to the CIDR that this machine connects from",
        ) from None


def find_group(clients: Clients, tags: Tags) -> str | None:
    """Give the id of the run's security group, if there is one."""
    groups = clients.ec2.describe_security_groups(Filters=tags.filters())["SecurityGroups"]
    return groups[0]["GroupId"] if groups else None


def create_group(clients: Clients, tags: Tags, vpc: str, cidrs: Sequence[str]) -> str:
    """Make the run's security group, which lets these CIDRs reach port 22, and give its id."""
    group = make_once(
        lambda: clients.once.create_security_group(
            GroupName=f"amiforge-{tags.run}",
            Description=f"amiforge run {tags.run}: ssh to its instances",
            VpcId=vpc,
            TagSpecifications=tags.temporary("group", "security-group"),
        )["GroupId"],
        lambda: find_group(clients, tags),
        clients.pace,
    )
    make_once(lambda: _open_port(clients, group, cidrs), lambda: None, clients.pace)
    return group


def delete_groups(clients: Clients, tags: Tags) -> Iterator[str]:
    """Delete the run's security groups; gives what is still there, because an instance uses it or its end is fresh."""
    for group in clients.ec2.describe_security_groups(Filters=tags.filters())["SecurityGroups"]:
        try:
            clients.ec2.delete_security_group(GroupId=group["GroupId"])
        except AwsRefused as error:
            if code(error) == "DependencyViolation":
                yield f"security group {group['GroupId']}"
            elif code(error) != "InvalidGroup.NotFound":
                raise


def _open_port(clients: Clients, group: str, cidrs: Sequence[str]) -> None:
    try:
        clients.once.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": 22,
                    "ToPort": 22,
                    "IpRanges": [{"CidrIp": cidr, "Description": "amiforge"} for cidr in cidrs],
                }
            ],
        )
    except AwsRefused as error:
        if code(error) != "InvalidPermission.Duplicate":
            raise


def _subnet(subnet: SubnetTypeDef) -> Subnet:
    return Subnet(subnet["SubnetId"], subnet["VpcId"], subnet["AvailabilityZone"], subnet["CidrBlock"])


def _public_address() -> str:
    with urllib.request.urlopen(_WHO_AM_I, timeout=10) as answer:
        return str(answer.read(64).decode("ascii").strip())


def _address_towards(cidr: str) -> str:
    """Give our address on the route to a network; connecting a datagram socket sends nothing."""
    first = next(ipaddress.IPv4Network(cidr).hosts())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((str(first), 22))
        return str(probe.getsockname()[0])
