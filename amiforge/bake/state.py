"""What a run has found out and made so far: small enough to be written down whenever it changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from amiforge.bake.gate.portrait import Portrait
from amiforge.bake.inventory import Inventory
from amiforge.bake.readiness import Condition
from amiforge.ec2.image import Image
from amiforge.ec2.instances import Instance
from amiforge.ec2.network import Subnet
from amiforge.ec2.resolve import ResolvedImage
from amiforge.errors import ConfigError


class Provisioned(BaseModel):
    """That the recipe's tasks were applied to an instance, and how many resources ended in which way."""

    model_config = ConfigDict(frozen=True)

    instance: str
    ok: int
    changed: int
    ran: int


class Refused(BaseModel):
    """That the image did not pass the gate: why, in a sentence, and until when it is kept, as ISO in UTC."""

    model_config = ConfigDict(frozen=True)

    reason: str
    kept_until: str


class Published(BaseModel):
    """An image as it is published in a region: whom it is shared with, and which parameter names it, if any."""

    model_config = ConfigDict(frozen=True)

    region: str
    image: str
    snapshots: tuple[str, ...] = ()
    shared_with: tuple[str, ...] = ()
    pointer: str = ""


class State(BaseModel):
    """Everything that a later process needs to go on with a run. What is not known yet is None or empty.

    What is true of one builder only names it, so that it counts no more when another takes its place.

    Attributes:
        source: the image that the bake starts from.
        commit: what the settings file's folder was checked out at when the run began.
        design: the fingerprint of what was to be baked then, whatever downloads turn out to be.
        subnets: where instances may be launched, in order.
        key_name: the builder's key pair in EC2.
        group: the security group; its id.
        builder: the instance that is worked on.
        condition: how the builder's boot ended.
        provisioned: the builder to which all tasks were applied.
        inventory: what is installed on it.
        portrait: its name, kernels and units, when it was fit to become an image.
        cleaning: the builder on which the wipe has begun; its id.
        sealed: the builder that is proven clean; its id.
        fingerprint: of everything that decides what is on the image; empty where none can be given.
        image: the image that is made of it.
        remade: the image failed once and was asked for again.
        keep_image: the image stays, whatever happens from here on: it is good, or kept to be looked at.
        verification: `passed`, or `skipped` by request; empty before.
        refused: the image did not pass the gate.
        removed: everything but the image is gone again; what is left to do is to publish it.
        publication: the image in every region where it is published, its own first.
        announced: what hooks were told that they are told once.
    """

    model_config = ConfigDict(extra="forbid")

    source: ResolvedImage | None = None
    commit: str = ""
    design: str = ""
    subnets: tuple[Subnet, ...] = ()
    key_name: str = ""
    group: str = ""
    builder: Instance | None = None
    condition: Condition | None = None
    provisioned: Provisioned | None = None
    inventory: Inventory | None = None
    portrait: Portrait | None = None
    cleaning: str = ""
    sealed: str = ""
    fingerprint: str = ""
    image: Image | None = None
    remade: bool = False
    keep_image: bool = False
    verification: str = ""
    refused: Refused | None = None
    removed: bool = False
    publication: tuple[Published, ...] = ()
    announced: tuple[str, ...] = ()

    def learn(self, **found: Any) -> Mapping[str, Any]:
        """Take over what was found out, and give it as it is written down."""
        for name, value in found.items():
            setattr(self, name, value)
        plain: Mapping[str, Any] = self.model_dump(mode="json", include=set(found))
        return plain

    @classmethod
    def recall(cls, written: Iterable[Mapping[str, Any]]) -> Self:
        """Give the state that was written down piece by piece.

        Raises:
            ConfigError: this version of amiforge does not understand it.
        """
        merged: dict[str, Any] = {}
        for found in written:
            merged |= found
        try:
            return cls.model_validate(merged)
        except ValidationError as error:
            field = ".".join(map(str, error.errors()[0]["loc"]))
            raise ConfigError(
                f"the run's journal says something about {field!r} that is not understood",
                fix="go on with the version of amiforge that began the run, or remove what it left: `amiforge gc`",
            ) from None
