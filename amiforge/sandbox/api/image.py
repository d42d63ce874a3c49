"""Images as moto sees them, made from our records."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from moto.ec2.models.amis import Ami
from moto.ec2.models.elastic_block_store import Volume
from moto.ec2.utils import random_snapshot_id

from amiforge.sandbox.api.keys import key_of_volume
from amiforge.sandbox.api.records import Device, ImageRecord, now
from amiforge.sandbox.api.snapshot import ImageSnapshot

if TYPE_CHECKING:
    from amiforge.sandbox.api.images import Images


#: The launch permission that makes an image public.
_EVERYBODY = {"Group": "all"}


class SandboxImage(Ami):
    """An image with the devices, dates and attributes of its record.

    Does not run `Ami.__init__`, which would invent them.
    """

    def __init__(self, backend: Images, record: ImageRecord) -> None:
        self.record = record
        self.ec2_backend = backend
        self.id = record.id
        self.state = "disabled" if record.disabled else "available"
        self.state_reason: dict[str, str] | None = None
        self.name = record.name
        self.description = record.description
        self.owner_id = record.owner_id
        self.owner_alias = record.owner_alias
        self.image_type = "machine"
        self.image_location = f"{record.owner_alias or record.owner_id}/{record.name}"
        self.architecture = record.architecture
        self.virtualization_type = "hvm"
        self.hypervisor = "xen"
        self.platform = None
        self.platform_details = "Linux/UNIX"
        self.usage_operation = "RunInstances"
        self.kernel_id = None
        self.root_device_type = "ebs"
        self.root_device_name = record.root_device
        self.sriov = self.sriov_net_support = "simple"
        self.ena_support = True
        self.boot_mode = "uefi-preferred"
        self.imds_support = record.imds_support
        self.product_codes = set()
        self.creation_date = record.created
        self.instance_id = record.source_instance_id
        self.source_image_id = record.source_image_id
        self.source_image_region = record.source_image_region or (record.region if record.source_image_id else None)
        self.deprecated = record.deprecated
        self.deregistration_protection = record.protection
        self.protected_until = record.protected_until
        self.last_launched = record.last_launched
        self.launch_permissions = [*([_EVERYBODY] if record.public else []), *record.shared_with]
        self.add_tags(record.tags)
        for device in record.devices:
            backend.snapshots[device.snapshot_id] = ImageSnapshot(backend, record, device)

    @property
    def public(self) -> bool:
        """Give whether anyone may launch it."""
        return bool(self.is_public)

    @property
    def deprecation_time(self) -> str | None:
        """Give when it is deprecated, as EC2 writes it: to the minute."""
        return f"{self.deprecated:%Y-%m-%dT%H:%M}:00.000Z" if self.deprecated else None

    @property
    def last_launched_time(self) -> str | None:
        """Give when an instance was last launched from it; only its owner is told."""
        ours = self.owner_id == self.ec2_backend.account_id
        return f"{self.last_launched:%Y-%m-%dT%H:%M:%SZ}" if self.last_launched and ours else None

    @property
    def protected(self) -> bool:
        """Give whether it cannot be deregistered now: protected, or not for 24 hours after it was."""
        cooling = self.protected_until is not None and now() < self.protected_until
        return self.deregistration_protection != "disabled" or cooling

    @property
    def snapshots(self) -> list[ImageSnapshot]:
        """Give its snapshots that are still there."""
        found = (self.ec2_backend.snapshots.get(device.snapshot_id) for device in self.record.devices)
        return [snapshot for snapshot in found if isinstance(snapshot, ImageSnapshot)]

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """Give the devices as DescribeImages shows them."""
        return [
            {"DeviceName": device.name, "Ebs": {**_ebs(device), "SnapshotId": device.snapshot_id}}
            for device in self.record.devices
        ]

    def get_filter_value(self, filter_name: str, method_name: str | None = None) -> Any:
        """Give what a filter of DescribeImages compares with."""
        match filter_name:
            case "creation-date":
                return self.creation_date.strftime("%Y-%m-%dT%H:%M:%S.000Z")
            case (
                "root-device-type"
                | "root-device-name"
                | "image-type"
                | "hypervisor"
                | "description"
                | "source-image-id"
                | "source-image-region"
            ):
                return getattr(self, filter_name.replace("-", "_"))
            case "ena-support" | "is-public":
                return "true" if filter_name == "ena-support" or self.is_public else "false"
            case "block-device-mapping.snapshot-id":
                return [device.snapshot_id for device in self.record.devices]
            case _:
                return super().get_filter_value(filter_name, method_name)

    def settle(self, error: str) -> None:
        """Leave the state `pending`: the image is available, or failed for the given reason."""
        self.state = "failed" if error else "available"
        self.state_reason = {"Code": "Server.InternalError", "Message": error} if error else None
        for snapshot in self.snapshots:
            snapshot.settle(error)

    def pend(self, seconds: float) -> None:
        """Say that its file system is still being copied, which takes so long at least."""
        self.state = "pending"
        for snapshot in self.snapshots:
            snapshot.status, snapshot.lasts = "pending", seconds

    def current(self) -> ImageRecord:
        """Give the record with what was changed since, through tags, attributes or deleted snapshots."""
        backend = self.ec2_backend
        devices = tuple(
            replace(
                device,
                snapshot_tags=dict(backend.tags.get(device.snapshot_id, {})),
                snapshot_deleted=device.snapshot_id not in backend.snapshots,
                **_permissions(backend.snapshots.get(device.snapshot_id)),
            )
            for device in self.record.devices
        )
        return replace(
            self.record,
            description=self.description or "",
            imds_support=self.imds_support,
            public=self.is_public,
            tags=dict(backend.tags.get(self.id, {})),
            devices=devices,
            disabled=self.state == "disabled",
            shared_with=tuple(one for one in self.launch_permissions if one != _EVERYBODY),
            deprecated=self.deprecated,
            protection=self.deregistration_protection,
            protected_until=self.protected_until,
            last_launched=self.last_launched,
            deregistered=backend.amis.get(self.id) is not self,
        )


def _permissions(snapshot: Any) -> dict[str, Any]:
    if not isinstance(snapshot, ImageSnapshot):
        return {}
    return {
        "volume_users": tuple(sorted(snapshot.create_volume_permission_userids)),
        "volume_groups": tuple(sorted(snapshot.create_volume_permission_groups)),
    }


def _ebs(device: Device) -> dict[str, Any]:
    shown = {
        "VolumeSize": device.size,
        "VolumeType": device.volume_type,
        "DeleteOnTermination": device.delete_on_termination,
        "Encrypted": device.encrypted,
        "Iops": device.iops,
        "Throughput": device.throughput,
    }
    return {key: value for key, value in shown.items() if value is not None}


def devices_of(instance: Any, wanted: list[dict[str, Any]]) -> list[Device]:
    """Give the devices of an image made of an instance: one a volume, each with a new snapshot.

    Args:
        instance: a moto instance.
        wanted: the mappings in the request, which change or leave out devices of the instance.

    Raises:
        NotImplementedError: a mapping adds a device.
    """
    changes = {mapping["DeviceName"]: mapping for mapping in wanted}
    attached = dict(instance.get_block_device_mapping)
    if added := changes.keys() - attached.keys():
        raise NotImplementedError(f"a new device {min(added)} in an image")
    return [
        _device(name, block, instance.ec2_backend.volumes[block.volume_id], changes.get(name, {}).get("Ebs", {}))
        for name, block in attached.items()
        if "NoDevice" not in changes.get(name, {})
    ]


def _device(name: str, block: Any, volume: Volume, changed: dict[str, Any]) -> Device:
    kept = changed.get("VolumeType", volume.volume_type) == volume.volume_type
    return Device(
        name=name,
        snapshot_id=random_snapshot_id(),
        size=changed.get("VolumeSize", volume.size),
        volume_type=changed.get("VolumeType", volume.volume_type),
        delete_on_termination=changed.get("DeleteOnTermination", block.delete_on_termination),
        encrypted=changed.get("Encrypted", volume.encrypted),
        key=key_of_volume(volume.ec2_backend, volume.kms_key_id),
        iops=changed.get("Iops", volume.iops if kept else None),
        throughput=changed.get("Throughput", volume.throughput if kept else None),
    )
