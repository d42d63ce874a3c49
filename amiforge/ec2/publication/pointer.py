"""The pointer: two SSM parameters a region, `current` and `previous`, that name an image to whoever launches one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amiforge.ec2.poll import Wait, poll
from amiforge.ec2.publication.change import Done
from amiforge.ec2.publication.regional_image import RegionalImage, find_image
from amiforge.ec2.refusal import code
from amiforge.ec2.session import Clients
from amiforge.errors import AwsRefused, PublishIncomplete

if TYPE_CHECKING:
    from mypy_boto3_ssm.type_defs import TagTypeDef

#: Seconds until a parameter that was written must read so: SSM looks first whether there is such an image.
_VALIDATED = 120
_DATA_TYPE = "aws:ec2:image"


@dataclass(frozen=True, slots=True)
class Position:
    """Where the pointer of a region stands: ids of images, empty where a parameter is not there."""

    current: str
    previous: str


def position(clients: Clients, path: str) -> Position:
    """Ask where the pointer of a region stands."""
    return Position(_read(clients, f"{path}/current"), _read(clients, f"{path}/previous"))


def move(clients: Clients, path: str, image: RegionalImage, behind: str, tags: Mapping[str, str]) -> tuple[Done, ...]:
    """Let the pointer of a region name an image, `previous` first, so that what was current is never lost.

    Args:
        clients: of the region.
        path: of the pointer.
        image: what it is to name; looked at once more right before.
        behind: id of the image that `previous` is to name; empty to leave it.
        tags: of the parameters, when they are made.

    Raises:
        PublishIncomplete: an image is not available any more, or the parameter does not come to name it.
        AwsRefused: SSM says no.
    """
    _available(clients, image.id)
    moved = []
    for name, value in (("previous", behind), ("current", image.id)):
        if value and _write(clients, f"{path}/{name}", value, tags):
            moved.append(Done(clients.region, value, f"named by {path}/{name}"))
    return tuple(moved)


def _available(clients: Clients, image: str) -> None:
    found = find_image(clients, image)
    if not found or found.state != "available":
        said = found.state if found else "gone"
        raise PublishIncomplete(f"image {image} in {clients.region} is {said}; its pointer was not moved")


def _write(clients: Clients, name: str, value: str, tags: Mapping[str, str]) -> bool:
    """Write a parameter unless it reads so already, and read it back."""
    before = _read(clients, name)
    if before == value:
        return False
    if before:
        clients.ssm.put_parameter(Name=name, Value=value, Overwrite=True)
    else:  # tags and Overwrite do not go together
        pairs: list[TagTypeDef] = [{"Key": key, "Value": text} for key, text in tags.items()]
        clients.ssm.put_parameter(Name=name, Value=value, Type="String", DataType=_DATA_TYPE, Tags=pairs)
    wait = Wait(f"parameter {name} to name {value}", _VALIDATED, PublishIncomplete)
    poll(wait, lambda: _read(clients, name), lambda now: None if now == value else now or "not there", clients.pace)
    return True


def _read(clients: Clients, name: str) -> str:
    try:
        return clients.ssm.get_parameter(Name=name)["Parameter"]["Value"]
    except AwsRefused as error:
        if code(error) != "ParameterNotFound":
            raise
        return ""
