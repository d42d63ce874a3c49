from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amiforge.sandbox.api.records import Device, ImageRecord, ImageRecords

RECORD = ImageRecord(
    id="ami-0a",
    name="one",
    created=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
    layers=("ami-0a", "roots/base"),
    devices=(Device("/dev/xvda", "snap-0a", size=20, iops=3000, snapshot_tags={"a": "b"}),),
    tags={"c": "d"},
)


def test_a_record_comes_back_as_it_was() -> None:
    assert ImageRecord.from_json(RECORD.to_json()) == RECORD


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": "ami-0a"}', RECORD.to_json().replace("name", "nome")])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ImageRecord.from_json(text)


def test_saved_records_are_read_in_the_order_of_their_creation(tmp_path: Path) -> None:
    newer = replace(RECORD, id="ami-00", created=datetime(2026, 1, 1, tzinfo=UTC))
    records = ImageRecords(tmp_path)
    records.save(newer)
    records.save(RECORD)
    assert ImageRecords(tmp_path).all() == (RECORD, newer)
    records.forget(newer.id)
    assert ImageRecords(tmp_path).all() == (RECORD,)


def test_what_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    records = ImageRecords(tmp_path)
    records.save(RECORD)
    (tmp_path / RECORD.id / "image.json").unlink()
    records.save(RECORD)
    assert ImageRecords(tmp_path).all() == ()
    records.save(replace(RECORD, description="new"))
    assert [record.description for record in ImageRecords(tmp_path).all()] == ["new"]


def test_a_folder_is_needed_by_image_snapshot_instance_or_image_on_top(tmp_path: Path) -> None:
    for name in ("ami-0a", "ami-0b", "ami-0c", "ami-0d"):
        (tmp_path / name).mkdir()
    gone = replace(RECORD.devices[0], snapshot_deleted=True)
    records = ImageRecords(tmp_path)
    records.save(replace(RECORD, layers=("ami-0a", "ami-0b")))
    records.save(replace(RECORD, id="ami-0c", layers=("ami-0c",), deregistered=True))
    assert records.unneeded(set()) == ("ami-0d",)
    assert records.unneeded({"ami-0d"}) == ()
    records.save(replace(RECORD, id="ami-0c", layers=("ami-0c",), deregistered=True, devices=(gone,)))
    records.save(replace(RECORD, layers=("ami-0a", "ami-0b"), deregistered=True, devices=(gone,)))
    assert records.unneeded({"ami-0d"}) == ("ami-0a", "ami-0b", "ami-0c")
