"""Failures that a user can order from the sandbox: what there is to order, as values. Only data.

What describes how the world is (no room, a quota, slow images, what is new is not yet known) holds until it is
cleared; what happens (an error, a lost answer, a reboot) happens once. `times` says otherwise.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    Tag,
    TypeAdapter,
    ValidationError,
)

from amiforge.errors import ConfigError

#: What can be new and not yet known everywhere.
Resource = Literal["instance", "image", "snapshot", "key-pair", "security-group"]
Market = Literal["*", "on-demand", "spot", "capacity-reservation", "capacity-block"]


class _Fault(BaseModel):
    """What all faults share; `times` is how often it happens, None is until it is cleared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CallFault(_Fault):
    """A call is refused, or carried out and not answered.

    Attributes:
        operation: name of the operation it hits, such as `CreateImage`; `*` is every operation.
        region: only calls to regions that match, as `us-west-2`.
        error: the code to answer with. Not used when the answer is lost.
        message: the message to answer with.
        skip: how many calls of the operation still go through before it.
        every: it hits every call of so many.
        seconds: it ends so many seconds after it was ordered.
        lost: carry the call out, then drop the connection instead of answering.
    """

    kind: Literal["call"] = "call"
    operation: str
    region: str = "*"
    error: str = "InternalError"
    message: str = "An internal error has occurred"
    skip: NonNegativeInt = 0
    every: PositiveInt = 1
    seconds: NonNegativeFloat | None = None
    lost: bool = False
    times: NonNegativeInt | None = 1


class NoRoom(_Fault):
    """EC2 has no capacity. `instance_type` and `zone` may have wildcards, as `p5.*`.

    What was reserved is there, unless its market is named.
    """

    kind: Literal["no-room"] = "no-room"
    instance_type: str = "*"
    zone: str = "*"
    market: Market = "*"
    times: NonNegativeInt | None = None


class Quota(_Fault):
    """The account may run so many vCPUs of instance types that match, in one market."""

    kind: Literal["quota"] = "quota"
    vcpus: NonNegativeInt
    instance_type: str = "*"
    market: Market = "on-demand"
    times: NonNegativeInt | None = None


#: States that can last longer: `pending` of an image, of a copy of one, of a pointer to one, and an instance's.
LateState = Literal["image", "copy", "parameter", "pending", "stopping", "shutting-down"]


class Late(_Fault):
    """A state lasts `seconds` longer, in regions that match.

    `copy` is an image that CopyImage makes; `parameter` is one of data type `aws:ec2:image`, which is checked before
    it is there.
    """

    kind: Literal["late"] = "late"
    what: LateState
    seconds: NonNegativeFloat
    region: str = "*"
    times: NonNegativeInt | None = None


class FailedImage(_Fault):
    """An image that is made of an instance ends as `failed`."""

    kind: Literal["failed-image"] = "failed-image"
    reason: str = "Client.InternalError: the snapshot of a volume failed"
    times: NonNegativeInt | None = 1


class FailedCopy(_Fault):
    """A copy of an image into a region that matches ends as `failed`."""

    kind: Literal["failed-copy"] = "failed-copy"
    reason: str = "Copy image failed with an internal error."
    region: str = "*"
    times: NonNegativeInt | None = 1


class FailedLaunch(_Fault):
    """An instance goes from `pending` to `terminated`; `code` and `message` are its state reason."""

    kind: Literal["failed-launch"] = "failed-launch"
    code: str = "Server.InternalError"
    message: str = ""
    instance_type: str = "*"
    times: NonNegativeInt | None = 1


class Lag(_Fault):
    """What was just made is unknown to the first `looks` at it, and for `seconds`, whichever is longer."""

    kind: Literal["lag"] = "lag"
    resource: Resource | Literal["*"] = "*"
    looks: NonNegativeInt = 0
    seconds: NonNegativeFloat = 0.0
    times: NonNegativeInt | None = None


#: What can happen to a machine, or to the link to it.
HarmName = Literal[
    "reboot", "interruption", "sshd-gone", "slow-link", "silent-link", "cut-link", "full-disk", "read-only", "lock"
]


class Harm(_Fault):
    """Something happens to one machine.

    Attributes:
        harm: what.
        instance: id of a running instance; otherwise it happens to the next one that is launched.
        role: only to an instance with this value of the tag `amiforge:role`, as `builder`; `*` is any.
        after: seconds after the machine first answers on its ssh port; of a running one, from now on.
        seconds: how long it lasts; None is until it is cleared or the machine reboots.
        rate: bytes per second, of a slow link.
        room: bytes that are still free, on a full disk.
    """

    kind: Literal["harm"] = "harm"
    harm: HarmName
    instance: str | None = None
    role: str = "*"
    after: NonNegativeFloat = 0.0
    seconds: NonNegativeFloat | None = None
    rate: PositiveInt = 1000
    room: NonNegativeInt = 65_536
    times: NonNegativeInt | None = 1


def _kind(given: object) -> str:
    return str(given.get("kind", "call") if isinstance(given, dict) else getattr(given, "kind", ""))


Fault = Annotated[
    Annotated[CallFault, Tag("call")]
    | Annotated[NoRoom, Tag("no-room")]
    | Annotated[Quota, Tag("quota")]
    | Annotated[Late, Tag("late")]
    | Annotated[FailedImage, Tag("failed-image")]
    | Annotated[FailedCopy, Tag("failed-copy")]
    | Annotated[FailedLaunch, Tag("failed-launch")]
    | Annotated[Lag, Tag("lag")]
    | Annotated[Harm, Tag("harm")],
    Discriminator(_kind),
]
_FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)


def parse(text: str | bytes) -> Fault:
    """Read a fault from JSON; without a `kind` it is a `call`.

    Raises:
        ConfigError: the text is not a fault; names the field.
    """
    try:
        return _FAULT.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        raise ConfigError(f"not a fault: {where + ': ' if where else ''}{first['msg']}") from None
