"""Who may launch an image and make volumes of its snapshots. What is not wanted any more is told, never taken away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from amiforge.ec2.publication.change import Change
from amiforge.ec2.publication.plan import Publication
from amiforge.ec2.publication.regional_image import RegionalImage
from amiforge.ec2.session import Clients


@dataclass(frozen=True, slots=True)
class Permissions:
    """Accounts, and ARNs of organizations and units, that may launch an image; accounts that may use each snapshot."""

    launch: frozenset[str]
    volumes: Mapping[str, frozenset[str]]


def permissions(clients: Clients, image: RegionalImage) -> Permissions:
    """Ask EC2 who may use an image and its snapshots."""
    launch = clients.ec2.describe_image_attribute(ImageId=image.id, Attribute="launchPermission")
    volumes = {
        snapshot: clients.ec2.describe_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
        for snapshot in image.snapshots
    }
    return Permissions(
        _named(launch.get("LaunchPermissions", [])),
        {snapshot: _named(answer.get("CreateVolumePermissions", [])) for snapshot, answer in volumes.items()},
    )


def shared(image: RegionalImage, now: Permissions, wanted: Publication) -> Iterator[Change]:
    """Give what lacks until everybody wanted may use an image: snapshots first, so that nobody sees half of it.

    A snapshot cannot be shared with an organization. Source: EC2 API reference, ModifySnapshotAttribute.
    """
    for snapshot in image.snapshots:
        if accounts := _lacking(wanted.settings.accounts, now.volumes.get(snapshot, frozenset())):
            change = {"CreateVolumePermission": {"Add": [{"UserId": account} for account in accounts]}}
            parameters = {"SnapshotId": snapshot, "Attribute": "createVolumePermission", **change}
            yield Change(f"{snapshot} shared with {', '.join(accounts)}", "modify_snapshot_attribute", parameters)
    if principals := _lacking(wanted.principals, now.launch):
        add = [{_kind(principal): principal} for principal in principals]
        parameters = {"ImageId": image.id, "Attribute": "launchPermission", "LaunchPermission": {"Add": add}}
        yield Change(f"shared with {', '.join(principals)}", "modify_image_attribute", parameters)


def unwanted(now: Permissions, wanted: Publication) -> tuple[str, ...]:
    """Give who may use an image or a snapshot of it although the settings do not name them."""
    found = now.launch.union(*now.volumes.values())
    return tuple(sorted(found - set(wanted.principals)))


def _lacking(wanted: Iterable[str], there: frozenset[str]) -> tuple[str, ...]:
    return tuple(principal for principal in wanted if principal not in there)


def _kind(principal: str) -> str:
    if ":organization/" in principal:
        return "OrganizationArn"
    return "OrganizationalUnitArn" if ":ou/" in principal else "UserId"


def _named(found: Iterable[Mapping[str, object]]) -> frozenset[str]:
    return frozenset(str(value) for permission in found for value in permission.values())
