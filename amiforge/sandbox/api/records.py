"""Images as the sandbox remembers them: values that become `images/<id>/image.json` and come back from it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

#: Whether an image may be deregistered, as DescribeImages says it.
Protection = Literal["disabled", "enabled-without-cooldown", "enabled-with-cooldown"]

_RECORD = "image.json"
_TIMES = ("created", "deprecated", "protected_until", "last_launched")


@dataclass(frozen=True, slots=True)
class Device:
    """One block device of an image, and the snapshot behind it. `size` is in GiB, `throughput` in MiB/s.

    `key` is the ARN of the KMS key that encrypts it, empty for the account's default key. `volume_users` and
    `volume_groups` may make volumes of the snapshot.
    """

    name: str
    snapshot_id: str
    size: int = 8
    volume_type: str = "gp3"
    delete_on_termination: bool = True
    encrypted: bool = False
    key: str = ""
    iops: int | None = None
    throughput: int | None = None
    snapshot_tags: dict[str, str] = field(default_factory=dict)
    snapshot_deleted: bool = False
    snapshot_description: str = ""
    volume_users: tuple[str, ...] = ()
    volume_groups: tuple[str, ...] = ()

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Read a device from JSON values."""
        lists = {name: tuple(fields.get(name, ())) for name in ("volume_users", "volume_groups")}
        return cls(**{**fields, **lists})


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """Everything that must survive the server about one image.

    `layers` names the file systems an instance stacks, top first: the id of the image each was made for, or a path
    below the sandbox's folder. A copy has those of its original, and none of its own.
    `token` and `token_for` are the client token of the CopyImage that made it, and that request's parameters.
    A deregistered image stays on record as long as a snapshot of it, or another image on top of it, is there.
    """

    id: str
    name: str
    created: datetime
    layers: tuple[str, ...]
    devices: tuple[Device, ...]
    region: str = "us-east-1"
    description: str = ""
    architecture: str = "x86_64"
    root_device: str = "/dev/xvda"
    owner_id: str = "123456789012"
    owner_alias: str | None = None
    public: bool = False
    source_instance_id: str | None = None
    source_image_id: str | None = None
    source_image_region: str | None = None
    imds_support: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    deregistered: bool = False
    disabled: bool = False
    shared_with: tuple[dict[str, str], ...] = ()
    deprecated: datetime | None = None
    protection: Protection = "disabled"
    protected_until: datetime | None = None
    last_launched: datetime | None = None
    token: str = ""
    token_for: str = ""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a record.

        Raises:
            ValueError: the text is not a record.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            fields["layers"] = tuple(fields["layers"])
            fields |= {name: datetime.fromisoformat(fields[name]) for name in _TIMES if fields.get(name)}
            fields["shared_with"] = tuple(fields.get("shared_with", ()))
            fields["devices"] = tuple(Device.from_fields(device) for device in fields["devices"])
            return cls(**fields)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an image record: {error}") from error

    def to_json(self) -> str:
        """Write the record."""
        times = {name: time.isoformat() for name in _TIMES if (time := getattr(self, name))}
        return json.dumps({**asdict(self), **times}, indent=2, sort_keys=True) + "\n"

    @property
    def needed_for_snapshots(self) -> bool:
        """Whether a snapshot of it still exists."""
        return any(not device.snapshot_deleted for device in self.devices)


class ImageRecords:
    """The records below one folder, `<folder>/<image id>/image.json`, all read at once. For one writer only.

    Raises:
        ValueError: a file is not a record.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = sorted(folder.glob(f"*/{_RECORD}"))
        self._saved = {path.parent.name: ImageRecord.from_json(path.read_text()) for path in paths}

    def all(self) -> tuple[ImageRecord, ...]:
        """Give all records in the order of their creation."""
        return tuple(sorted(self._saved.values(), key=lambda record: record.created))

    def save(self, record: ImageRecord) -> None:
        """Write a record if it changed; the file is replaced in one step."""
        if self._saved.get(record.id) == record:
            return
        path = self.folder / record.id / _RECORD
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(record.to_json())
        draft.replace(path)
        self._saved[record.id] = record

    def forget(self, image_id: str) -> None:
        """Delete a record; the layer beside it is not touched."""
        self._saved.pop(image_id, None)
        (self.folder / image_id / _RECORD).unlink(missing_ok=True)

    def unneeded(self, layers_in_use: set[str]) -> tuple[str, ...]:
        """Name the image folders that nothing needs: no registered image, no snapshot, no instance, no image on top.

        Args:
            layers_in_use: the layers of all instances and of images that are being made.
        """
        kept = {record.id for record in self._saved.values() if not record.deregistered or record.needed_for_snapshots}
        needed = kept | layers_in_use | {layer for image_id in kept for layer in self._saved[image_id].layers}
        present = (path.name for path in self.folder.glob("ami-*"))
        return tuple(sorted(name for name in present if name not in needed))


def now() -> datetime:
    """Give the time in whole seconds, as EC2 shows it."""
    return datetime.now(UTC).replace(microsecond=0)
