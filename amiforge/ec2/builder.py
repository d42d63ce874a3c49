"""The builder instance, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

#: Instance types with arm64 processors for what X86_64 holds with x86_64 ones: 16 CPUs, 64 GiB.
GRAVITON = ("m7g.4xlarge", "m8g.4xlarge", "m6g.4xlarge")
X86_64 = ("m6i.4xlarge", "m7i.4xlarge", "m6a.4xlarge")

#: How an instance is paid for, and with it which of EC2's room it may take.
Market = Literal["on-demand", "spot", "capacity-reservation", "capacity-block"]
RESERVED: tuple[Market, ...] = ("capacity-reservation", "capacity-block")


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
    ingress: tuple[str, ...] = Field(
        (), description="CIDRs that may reach the builder's port 22; empty for this machine's own address"
    )
    address: str = Field(
        "public", pattern="^(public|private)$", description="which address of the builder is connected to"
    )

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
            raise ValueError(
                "EC2 cannot stop a spot instance, and a builder is stopped to be imaged: add another"
            )
        return markets
