"""How a builder is connected to: who must be let in, what this machine needs for it, and the way in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from amiforge.ec2.builder import Builder
from amiforge.ec2.instances import Instance
from amiforge.ec2.network import Subnet, own_cidrs, vpc_cidrs
from amiforge.ec2.session import Clients
from amiforge.errors import ConfigError

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import Ec2InstanceConnectEndpointTypeDef

#: The session document that carries ssh. Source: Systems Manager user guide, "Allow and control permissions for SSH
#: connections through Session Manager".
SSH_DOCUMENT = "AWS-StartSSHSession"
_READY = frozenset({"create-complete", "update-complete"})
_PROGRAMS = {
    "aws": "install the AWS CLI, version 2: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    "session-manager-plugin": "install the AWS CLI's Session Manager plugin: "
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html",
}


@dataclass(frozen=True, slots=True)
class Way:
    """The way to an instance, as ssh takes it.

    Attributes:
        address: IP address, or the instance's id where no address is connected to.
        port: sshd's.
        proxy: command whose standard input and output are the connection; empty for TCP.
        jump: jump hosts to go through, as ssh's -J; empty for none.
        jump_key: their private key's file; empty for whatever ssh has.
    """

    address: str
    port: int = 22
    proxy: tuple[str, ...] = ()
    jump: str = ""
    jump_key: str = ""


def planned_way(builder: Builder) -> Way:
    """Give as much of the way as is known before there is an instance: the jump hosts."""
    return Way("", builder.ssh_port, jump=builder.bastion, jump_key=builder.bastion_key)


def way_in(clients: Clients, builder: Builder, instance: Instance) -> Way:
    """Give the way to an instance that runs."""
    if builder.access == "direct":
        return replace(planned_way(builder), address=instance.address(builder.address))
    session = _ssm(instance, builder) if builder.access == "ssm" else _tunnel(instance, builder)
    profile = ("--profile", clients.profile) if clients.profile else ()
    return Way(instance.id, builder.ssh_port, ("aws", *session, "--region", clients.region, *profile))


def sources(clients: Clients, builder: Builder, subnet: Subnet) -> tuple[str, ...]:
    """Give who must be let in to the builder's ssh port: CIDRs and ids of security groups.

    Raises:
        ConfigError: it cannot be found out, or there is no endpoint to come from.
    """
    if builder.access == "instance-connect":
        endpoint = find_endpoint(clients, builder, subnet.vpc)
        return builder.ingress or tuple(endpoint.get("SecurityGroupIds", ())) or vpc_cidrs(clients, subnet.vpc)
    if builder.access == "ssm" or builder.ingress:
        return builder.ingress
    if not builder.bastion:
        return own_cidrs(clients, subnet, builder.address)
    if builder.address == "private":
        return vpc_cidrs(clients, subnet.vpc)
    raise ConfigError(
        "the address that builder.bastion comes from to a public address is not known",
        fix="set builder.address to private, or builder.ingress to the bastion's own CIDR",
    )


def find_endpoint(clients: Clients, builder: Builder, vpc: str) -> Ec2InstanceConnectEndpointTypeDef:
    """Give an EC2 Instance Connect Endpoint that leads to the builder.

    Raises:
        ConfigError: there is none, or not the one that is wanted.
    """
    wanted, of_vpc = builder.instance_connect_endpoint, [{"Name": "vpc-id", "Values": [vpc]}]
    answer = clients.ec2.describe_instance_connect_endpoints(Filters=of_vpc)  # type: ignore[arg-type] # a list is invariant
    found = [each for each in answer["InstanceConnectEndpoints"] if each["State"] in _READY]
    for endpoint in found:
        if wanted in {"", endpoint["InstanceConnectEndpointId"]}:
            return endpoint
    others = ", ".join(endpoint["InstanceConnectEndpointId"] for endpoint in found)
    raise ConfigError(
        f"VPC {vpc} has no EC2 Instance Connect Endpoint {wanted}".rstrip() + (f", but {others}" if others else ""),
        fix="make one (`aws ec2 create-instance-connect-endpoint --subnet-id SUBNET`, it takes some minutes), "
        "or set builder.access to ssm or direct",
    )


def require_programs(builder: Builder, which: Callable[[str], str | None] = shutil.which) -> None:
    """Make sure that this machine has what the way in needs.

    Raises:
        ConfigError: a program is missing; says how to get it.
    """
    for program in _programs(builder):
        if not which(program):
            raise ConfigError(
                f"builder.access {builder.access} needs the program {program}, which is not on the PATH",
                fix=_PROGRAMS[program],
            )


def _programs(builder: Builder) -> Iterator[str]:
    if builder.access != "direct":
        yield "aws"
    if builder.access == "ssm":
        yield "session-manager-plugin"


def _ssm(instance: Instance, builder: Builder) -> tuple[str, ...]:
    document = ("--document-name", SSH_DOCUMENT, "--parameters", f"portNumber={builder.ssh_port}")
    return ("ssm", "start-session", "--target", instance.id, *document)


def _tunnel(instance: Instance, builder: Builder) -> tuple[str, ...]:
    """Give the arguments. Source: AWS CLI command reference, `ec2-instance-connect open-tunnel`."""
    wanted = builder.instance_connect_endpoint
    endpoint = ("--instance-connect-endpoint-id", wanted) if wanted else ()
    through = ("ec2-instance-connect", "open-tunnel", "--instance-id", instance.id)
    return (*through, "--remote-port", str(builder.ssh_port), *endpoint)
