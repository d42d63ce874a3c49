from __future__ import annotations

import json
import os
from pathlib import Path
from unittest.mock import ANY

import pytest

from amiforge.bake.journal import Journal, Made, read
from amiforge.ec2.session import Call
from amiforge.errors import ConfigError
from amiforge.redaction import Redaction


def begun(folder: Path) -> Journal:
    journal = Journal(folder / "journal.jsonl", Redaction())
    journal.begin(run="r")
    return journal


def test_every_line_is_synced_before_the_method_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = begun(tmp_path)
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _file: synced.append(journal.path.read_bytes()))
    journal.write("started", step="launch builder")
    assert [json.loads(line)["kind"] for line in synced[0].splitlines()] == ["run", "started"]


def test_a_line_cut_off_by_a_crash_is_left_out(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    journal.write("started", step="launch builder")
    whole = journal.path.read_bytes()
    for length in range(len(whole)):
        journal.path.write_bytes(whole[:length])
        assert len(list(read(journal.path))) == whole[:length].count(b"\n")


def test_a_damaged_line_in_the_middle_is_refused_by_number(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    with journal.path.open("a") as file:
        file.write("{half\n{}\n")
    with pytest.raises(ConfigError, match=":2: not a line"):
        list(read(journal.path))


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"kind": "run", "schema": 99}\n')
    with pytest.raises(ConfigError, match="version 99"):
        list(read(path))


def test_the_ids_that_calls_made_are_found_again(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    journal.step = "launch builder"
    journal.call(Call("RunInstances", "asked", {"ImageId": "ami-1"}))
    journal.call(Call("RunInstances", "answered", {"InstanceId": ["i-1"], "ImageId": ["ami-1"]}))
    journal.call(Call("RunInstances", "asked", {"ClientToken": "t2"}))
    assert journal.made("RunInstances", "InstanceId", "launch builder") == Made(("i-1",), ANY, "t2", open=True)
    journal.call(Call("RunInstances", "refused", {"code": "ReadTimeoutError", "message": ""}))
    assert journal.made("RunInstances", "InstanceId", "launch builder").open, "it may have worked"
    journal.call(Call("RunInstances", "answered", {"InstanceId": ["i-2"]}))
    assert journal.made("RunInstances", "InstanceId", "launch builder") == Made(("i-1", "i-2"), ANY)
    assert journal.made("RunInstances", "InstanceId", "verify image") == Made()


@pytest.mark.parametrize(
    ("refusals", "open_"),
    [
        (("ReadTimeoutError",), True),
        (("ReadTimeoutError", "ExpiredToken"), True),
        (("ReadTimeoutError", "RequestLimitExceeded", "ConnectTimeoutError"), True),
        (("ReadTimeoutError", "InsufficientInstanceCapacity"), False),
        (("ReadTimeoutError", "UnauthorizedOperation"), False),
        (("ExpiredToken",), False),
        (("RequestLimitExceeded",), False),
    ],
)
def test_a_lost_answer_stays_lost_until_the_call_is_decided(
    tmp_path: Path, refusals: tuple[str, ...], open_: bool
) -> None:
    journal = begun(tmp_path)
    for code in refusals:
        journal.call(Call("RunInstances", "asked", {"ClientToken": "t1"}))
        journal.call(Call("RunInstances", "refused", {"code": code, "message": ""}))
    found = journal.made("RunInstances", "InstanceId", journal.step)
    assert (found.open, found.token) == (open_, "t1" if open_ else "")
    journal.call(Call("RunInstances", "asked", {"ClientToken": "t2"}))
    journal.call(Call("RunInstances", "refused", {"code": "RequestLimitExceeded", "message": ""}))
    assert not journal.made("RunInstances", "InstanceId", journal.step).open
    assert journal.tokens("RunInstances") == {"t1", "t2"}


def test_a_run_never_writes_into_another_runs_journal(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(ConfigError, match="cannot begin the journal"):
        begun(tmp_path)
