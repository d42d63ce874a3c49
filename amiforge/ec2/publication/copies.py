"""Copies of an image in other regions: asked for once, waited for, made anew once when they fail."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from amiforge.ec2.image import wait_available
from amiforge.ec2.make import resend
from amiforge.ec2.poll import Wait, poll
from amiforge.ec2.publication.change import Done
from amiforge.ec2.publication.plan import Publication
from amiforge.ec2.publication.regional_image import RegionalImage, find_copies, find_image
from amiforge.ec2.publication.regions import everywhere
from amiforge.ec2.refusal import code
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import COPY_OF, EXPIRES, STATE
from amiforge.errors import AwsRefused, ImageFailed, PublishIncomplete

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import TagTypeDef

#: On the image that is copied: how many copies to a region have failed so far. A client token names one copy for ever,
#: so the next one needs another, also when another process asks for it.
FAILED = "amiforge:failed-copies"
#: Codes that say: this was asked for before, or something of this name is there.
_THERE = frozenset({"IdempotentParameterMismatch", "InvalidAMIName.Duplicate"})
#: Seconds for which what was just made may not be known everywhere.
_EVENTUALLY = 120
#: Seconds for which throttling and a lost link are borne.
_PATIENCE = 600
_DAY = timedelta(days=1)


def copy(publication: Publication, regions: Mapping[str, Clients]) -> tuple[Done, ...]:
    """Make sure that every region has a copy that is available; those that are there already count.

    They are private, candidates, and expire, until they are taken over. A copy that fails is removed with its snapshots
    and asked for once more. What fails in one region does not keep the others from their end.

    Raises:
        Parked: a copy takes longer than `copy_deadline`.
        PublishIncomplete: a copy failed twice, or was refused; names region and reason.
    """
    others = {name: clients for name, clients in regions.items() if name != publication.image.region}
    if not others:
        return ()
    home = regions[publication.image.region]
    made = everywhere(others, f"copying {publication.image.id}", lambda here: _copy(publication, home, here))
    return tuple(Done(region, copy, "copied") for region, copy in made.items() if copy)


def _copy(publication: Publication, home: Clients, here: Clients) -> str:
    """Make sure that there is a copy, and give its id; nothing if it was available already."""
    image, tag = publication.image, f"{FAILED}:{here.region}"
    before = int(image.tags.get(tag, "0"))
    for failed in (before + 1, before + 2):
        there = _adopted(publication, here)
        if there and there.state == "available":
            return ""
        copy = there.id if there else _ask(publication, here, failed)
        try:
            wait_available(here, copy, publication.settings.copy_deadline)
        except ImageFailed:
            home.ec2.create_tags(Resources=[image.id], Tags=[{"Key": tag, "Value": str(failed)}])
            _remove(here, image.id, copy)
            if failed == before + 2:
                raise
        else:
            return copy
    raise AssertionError("the last try returns or raises")


def _adopted(publication: Publication, here: Clients) -> RegionalImage | None:
    """Give the copy that is there; one that is not taken over yet gets time enough."""
    there = next(iter(find_copies(here, publication.image.id)), None)
    if there and EXPIRES in there.tags:
        tags: list[TagTypeDef] = [{"Key": EXPIRES, "Value": _expiry(publication)}]
        here.ec2.create_tags(Resources=[there.id, *there.snapshots], Tags=tags)
    return there


def _ask(publication: Publication, here: Clients, attempt: int) -> str:
    """Ask for a copy and give its id."""
    image = publication.image
    request = _request(publication, here.region, attempt)
    try:
        return resend(lambda: here.once.copy_image(**request)["ImageId"], here.pace, f"a copy of {image.id}", _PATIENCE)
    except AwsRefused as error:
        if code(error) not in _THERE:
            raise
        return _made_before(here, image.id, error)


def _request(publication: Publication, region: str, attempt: int) -> dict[str, Any]:
    image, key = publication.image, publication.settings.kms_keys.get(region, "")
    digest = hashlib.sha256(" ".join((image.id, region, key, str(attempt))).encode()).hexdigest()
    own = {name: value for name, value in image.tags.items() if not name.startswith(("aws:", FAILED))}
    tags = {**own, COPY_OF: image.id, STATE: "candidate", EXPIRES: _expiry(publication)}
    pairs = [{"Key": name, "Value": value} for name, value in tags.items()]
    return {
        "SourceImageId": image.id,
        "SourceRegion": image.region,
        "Name": image.name,
        "Description": image.description,
        # EC2 takes up to 64 characters.
        "ClientToken": f"amiforge-{digest[:48]}",
        "TagSpecifications": [{"ResourceType": kind, "Tags": pairs} for kind in ("image", "snapshot")],
        **({"Encrypted": True, "KmsKeyId": key} if key else {}),
    }


def _made_before(here: Clients, origin: str, refused: AwsRefused) -> str:
    """Give the copy that an earlier process asked for, as soon as it is to be seen."""

    def look() -> str:
        return next((copy.id for copy in find_copies(here, origin)), "")

    wait = Wait(f"the copy of {origin} that is there already to be known", _EVENTUALLY, PublishIncomplete)
    try:
        return poll(wait, look, lambda found: None if found else refused.message, here.pace)
    except PublishIncomplete:
        raise refused from None


def _remove(here: Clients, origin: str, copy: str) -> None:
    """Deregister a copy and delete its snapshots, so that no half of it is left."""
    found = find_image(here, copy)
    snapshots = set(found.snapshots if found else ())
    tagged = here.ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": f"tag:{COPY_OF}", "Values": [origin]}])[
        "Snapshots"
    ]
    here.ec2.deregister_image(ImageId=copy)
    for snapshot in sorted(snapshots | {each["SnapshotId"] for each in tagged}):
        with suppress(AwsRefused):  # it expires, so that `amiforge gc` finds what is left of it
            here.ec2.delete_snapshot(SnapshotId=snapshot)


def _expiry(publication: Publication) -> str:
    expires = publication.now + timedelta(seconds=publication.settings.copy_deadline) + _DAY
    return expires.strftime("%Y-%m-%dT%H:%M:%SZ")
