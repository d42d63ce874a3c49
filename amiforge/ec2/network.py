"""Where a builder is attached, and who may reach it: subnets, and a security group of its own."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from amiforge.ec2.make import make_once
from amiforge.ec2.own_address import public_address
from amiforge.ec2.refusal import code
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import Tags
from amiforge.errors import AwsRefused, ConfigError

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionOutputTypeDef, IpPermissionTypeDef, SubnetTypeDef


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
    mine = public_address(clients.pace) if address == "public" else _address_towards(subnet.cidr)
    return (f"{mine}/32",)


def vpc_cidrs(clients: Clients, vpc: str) -> tuple[str, ...]:
    """Give the IPv4 CIDRs of a VPC, all that are in use."""
    found = clients.ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]
    associated = found.get("CidrBlockAssociationSet", [])
    used = [each["CidrBlock"] for each in associated if each["CidrBlockState"]["State"] == "associated"]
    return tuple(used) or (found["CidrBlock"],)


def find_group(clients: Clients, tags: Tags) -> str | None:
    """Give the id of the run's security group, if there is one."""
    groups = clients.ec2.describe_security_groups(Filters=tags.filters())["SecurityGroups"]
    return groups[0]["GroupId"] if groups else None


def create_group(clients: Clients, tags: Tags, vpc: str, sources: Sequence[str], port: int = 22) -> str:
    """Make the run's security group, and give its id.

    Args:
        clients: where.
        tags: those of the run.
        vpc: the builder's VPC.
        sources: CIDRs, and ids of security groups and prefix lists, that may reach the port; none, and nobody may.
        port: sshd's.
    """
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
    open_port(clients, group, sources, port)
    return group


def open_port(clients: Clients, group: str, sources: Sequence[str], port: int) -> None:
    """Let sources in, as of `create_group`; nothing happens to those that are let in already."""
    ports: IpPermissionTypeDef = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}

    def let_in(source: str) -> None:
        try:
            clients.once.authorize_security_group_ingress(
                GroupId=group, IpPermissions=[{**ports, **_permission(source)}]
            )
        except AwsRefused as error:
            if code(error) != "InvalidPermission.Duplicate":
                raise

    for source in sources:
        make_once(partial(let_in, source), lambda: None, clients.pace)


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


def refuse_closed(clients: Clients, groups: Sequence[str], vpc: str, sources: Sequence[str], port: int) -> None:
    """Refuse security groups of which it can be seen that they keep us out.

    Args:
        clients: where.
        groups: their ids.
        vpc: the builder's VPC.
        sources: where we come from, as `create_group` takes it; none when nobody needs to be let in.
        port: sshd's.

    Raises:
        ConfigError: one is of another VPC, or none lets us in.
        AwsRefused: one does not exist.
    """
    found = clients.ec2.describe_security_groups(GroupIds=list(groups))["SecurityGroups"]
    elsewhere = [group["GroupId"] for group in found if group.get("VpcId", vpc) != vpc]
    if elsewhere:
        raise ConfigError(
            f"builder.security_groups: not of the builder's VPC {vpc}: {', '.join(elsewhere)}",
            fix="give groups of that VPC, or builder.subnets of theirs",
        )
    rules = [rule for group in found for rule in group["IpPermissions"] if _is_for(rule, port)]
    if sources and not any(_may_let_in(rule, source) for rule in rules for source in sources):
        raise ConfigError(
            f"none of builder.security_groups lets {', '.join(sources)} reach port {port}",
            groups=", ".join(groups),
            fix="add such a rule to one of them, or leave builder.security_groups out: then a temporary one is made",
        )


def _is_for(rule: IpPermissionOutputTypeDef, port: int) -> bool:
    if rule["IpProtocol"] == "-1":
        return True
    return rule["IpProtocol"] == "tcp" and rule.get("FromPort", 0) <= port <= rule.get("ToPort", 65_535)


def _may_let_in(rule: IpPermissionOutputTypeDef, source: str) -> bool:
    """Tell whether a rule lets a source in, as far as it can be seen: what groups and lists stand for cannot."""
    if rule.get("UserIdGroupPairs") or rule.get("PrefixListIds") or source.startswith(("sg-", "pl-")):
        return True
    ours = ipaddress.ip_network(source)
    open_to = [each["CidrIp"] for each in rule.get("IpRanges", [])]
    open_to += [each["CidrIpv6"] for each in rule.get("Ipv6Ranges", [])]
    networks = [ipaddress.ip_network(cidr, strict=False) for cidr in open_to]
    return any(ours.version == network.version and ours.overlaps(network) for network in networks)


def _permission(source: str) -> IpPermissionTypeDef:
    """Give a source as one rule names it, each kind of source in its own place."""
    if source.startswith("sg-"):
        return {"UserIdGroupPairs": [{"GroupId": source, "Description": "amiforge"}]}
    if source.startswith("pl-"):
        return {"PrefixListIds": [{"PrefixListId": source, "Description": "amiforge"}]}
    if ":" in source:
        return {"Ipv6Ranges": [{"CidrIpv6": source, "Description": "amiforge"}]}
    return {"IpRanges": [{"CidrIp": source, "Description": "amiforge"}]}


def _subnet(subnet: SubnetTypeDef) -> Subnet:
    return Subnet(subnet["SubnetId"], subnet["VpcId"], subnet["AvailabilityZone"], subnet["CidrBlock"])


def _address_towards(cidr: str) -> ipaddress.IPv4Address:
    """Give our address on the route to a network; connecting a datagram socket sends nothing."""
    first = next(ipaddress.IPv4Network(cidr).hosts())
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((str(first), 22))
            return ipaddress.IPv4Address(probe.getsockname()[0])
    except OSError as error:
        raise ConfigError(
            f"this machine has no route to the builder's subnet {cidr}: {error}",
            fix="bake from inside that network, or set builder.bastion, or builder.access to ssm or instance-connect",
        ) from None
