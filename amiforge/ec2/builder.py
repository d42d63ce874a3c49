"""The builder instance, as data."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

#: Instance types with arm64 processors for what X86_64 holds with x86_64 ones: 16 CPUs, 64 GiB.
GRAVITON = ("m7g.4xlarge", "m8g.4xlarge", "m6g.4xlarge")
X86_64 = ("m6i.4xlarge", "m7i.4xlarge", "m6a.4xlarge")

#: How an instance is paid for, and with it which of EC2's room it may take.
Market = Literal["on-demand", "spot", "capacity-reservation", "capacity-block"]
RESERVED: tuple[Market, ...] = ("capacity-reservation", "capacity-block")


_HOP = re.compile(r"([A-Za-z0-9_][\w.-]*@)?([A-Za-z0-9_][\w.-]*|\[[\da-fA-F:.]+\])(:\d{1,5})?", re.ASCII)
#: How a builder is connected to.
Access = Literal["direct", "ssm", "instance-connect"]


class Builder(BaseModel):
    """The instance that a bake launches, provisions, images and terminates. Defaults are the safe ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    instance_types: tuple[str, ...] = Field(
        X86_64,
        min_length=1,
        description="tried in this order when EC2 has no capacity; a GPU is not needed to bake a GPU image",
    )
    markets: tuple[Market, ...] = Field(
        ("on-demand",),
        min_length=1,
        description="tried in this order, each in every type and subnet; spot is only for verifying",
    )
    capacity_reservations: tuple[str, ...] = Field(
        (),
        validate_default=True,
        description="ids of capacity reservations and capacity blocks, tried in this order; each fixes type and zone",
    )
    spot_max_price: float | None = Field(
        None, gt=0.001, description="most that a spot instance may cost, in USD an hour; none for the on-demand price"
    )
    subnets: tuple[str, ...] = Field((), description="subnet ids, tried in this order; empty for the default VPC's")
    volume_gib: int = Field(0, ge=0, le=65536, description="root volume size; 0 keeps the source image's")
    volume_iops: int = Field(
        3000, ge=3000, description="gp3 IOPS of the builder's root volume; the image's instances get the same"
    )
    volume_throughput: int = Field(
        125, ge=125, description="gp3 MiB/s of the builder's root volume; the image's instances get the same"
    )
    kms_key: str = Field("", description="KMS key of the root volume; empty for the account's default EBS key")
    profile: str = Field("", description="IAM instance profile of the builder; none by default")
    address: Literal["public", "private"] = Field(
        "public", description="which address the builder is connected to at; only with public it gets a public one"
    )
    access: Access = Field(
        "direct",
        validate_default=True,
        description="how it is connected to: direct, ssm (Session Manager; needs a profile), or instance-connect "
        "(an EC2 Instance Connect Endpoint of the VPC)",
    )
    bastion: str = Field(
        "",
        description="jump hosts to connect through, as ssh's -J: user@host:port, several with commas",
    )
    bastion_key: str = Field(
        "", description="private key file for the jump hosts; empty for the ssh config's, the agent's, the usual ones"
    )
    instance_connect_endpoint: str = Field(
        "",
        pattern="^(eice-[0-9a-f]+)?$",
        description="id of the endpoint for instance-connect; empty for any of the VPC",
    )
    ssh_port: int = Field(22, ge=1, le=65535, description="port that sshd of the source image listens on")
    security_groups: tuple[str, ...] = Field(
        (), description="ids of the builder's security groups; empty for a temporary one that lets in only us"
    )
    ingress: tuple[str, ...] = Field(
        (),
        description="who may reach the builder's port: CIDRs, ids of security groups or prefix lists; empty for this "
        "machine's own address, with a bastion the VPC's, with instance-connect the endpoint's group, with ssm nobody",
    )

    @field_validator("access")
    @classmethod
    def _has_a_profile(cls, access: Access, info: ValidationInfo) -> Access:
        # Source: Systems Manager user guide, "Configure instance permissions required for Systems Manager".
        if access == "ssm" and not info.data.get("profile"):
            raise ValueError("ssm needs builder.profile, an instance profile with AmazonSSMManagedInstanceCore")
        return access

    @field_validator("bastion")
    @classmethod
    def _is_direct(cls, bastion: str, info: ValidationInfo) -> str:
        for hop in bastion.split(",") if bastion else ():
            if not _HOP.fullmatch(hop):
                raise ValueError(f"not a host: {hop!r}: write user@host:port, several with commas")
        if bastion and info.data.get("access", "direct") != "direct":
            raise ValueError(f"goes with access direct, and not with {info.data['access']}")
        return bastion

    @field_validator("ssh_port")
    @classmethod
    def _is_open_to_endpoints(cls, port: int, info: ValidationInfo) -> int:
        # Source: EC2 user guide, "EC2 Instance Connect Endpoint", considerations: ports 22 and 3389.
        if info.data.get("access") == "instance-connect" and port != 22:  # noqa: PLR2004 - ssh's port
            raise ValueError("EC2 Instance Connect Endpoints lead to port 22 only")
        return port

    @field_validator("security_groups")
    @classmethod
    def _are_groups(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        for group in groups:
            if not re.fullmatch("sg-[0-9a-f]+", group):
                raise ValueError(f"not the id of a security group: {group!r}")
        return groups

    @field_validator("ingress")
    @classmethod
    def _are_sources(cls, sources: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if sources and info.data.get("security_groups"):
            raise ValueError("is for a temporary group; builder.security_groups have rules of their own")
        for source in sources:
            if not re.fullmatch("(sg|pl)-[0-9a-f]+", source):
                ipaddress.ip_network(source)
        return sources

    @field_validator("capacity_reservations")
    @classmethod
    def _of_a_market(cls, ids: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        reserved = set(RESERVED) & set(info.data.get("markets", ()))
        if bool(ids) != bool(reserved):
            raise ValueError("go together with capacity-reservation or capacity-block among the markets")
        return ids

    @field_validator("markets")
    @classmethod
    def _to_be_stopped(cls, markets: tuple[Market, ...]) -> tuple[Market, ...]:
        # Source: "You can't stop the Spot Instance … one-time", UnsupportedOperation of StopInstances.
        if set(markets) == {"spot"}:
            raise ValueError("EC2 cannot stop a spot instance, and a builder is stopped to be imaged: add another")
        return markets
