from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from amiforge.bake.claim import claim, holder
from amiforge.bake.journal import Journal, read
from amiforge.cli.app import run
from amiforge.redaction import Redaction
from tests.deaths.ec2 import Ec2
from tests.unit.bake.test_gc import Account

pytestmark = pytest.mark.sockets


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.chdir(tmp_path)
    with Ec2(tmp_path) as ec2:
        monkeypatch.setenv("AWS_ENDPOINT_URL", ec2.url)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        yield Account(ec2)


Printed = pytest.CaptureFixture[str]


def test_it_only_lists_unless_told_to_delete(account: Account, capsys: Printed) -> None:
    instance, _ = account.leave()
    before = account.ec2.inventory()
    assert run(["gc"]) == 0
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if instance in line)
    assert row.split()[:4] == ["us-east-1", "instance", instance, "r"]
    assert "remove: expired 2026-01-01T11:59:59Z" in row
    assert "7 to remove, 0 to keep; --delete does it" in out
    assert account.ec2.inventory() == before


def test_delete_removes_and_says_how_much(account: Account, capsys: Printed) -> None:
    account.leave()
    assert run(["gc", "--delete"]) == 0
    assert "\nremoved 8 in " in capsys.readouterr().out
    assert account.ec2.inventory() == []
    assert run(["gc", "--delete"]) == 0
    assert capsys.readouterr().out == "nothing is left\n"


def test_programs_get_one_object_a_thing_and_then_what_is_gone(account: Account, capsys: Printed) -> None:
    account.leave(expires="2999-01-01T00:00:00Z")
    assert run(["gc", "--json", "--run", "r", "--delete"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = [row for row in rows if row["event"] == "Leftover"]
    assert {row["kind"] for row in found} >= {"instance", "image", "volume", "key pair", "security group"}
    assert {(row["run"], row["action"], row["why"]) for row in found} == {("r", "remove", "of this run")}
    assert rows[-1]["event"] == "LeftoversRemoved"
    assert {row["id"] for row in found} <= set(rows[-1]["ids"])


def test_what_cannot_be_removed_ends_it_with_status_4_and_is_named(account: Account, capsys: Printed) -> None:
    account.leave()
    account.refuse("DeleteKeyPair")
    assert run(["gc", "--delete"]) == 4
    error = capsys.readouterr().err
    assert "not everything could be removed" in error
    assert "key pair key-" in error


def test_a_run_that_a_process_here_works_on_is_left_alone(account: Account, capsys: Printed) -> None:
    account.leave()
    before = account.ec2.inventory()
    with claim(Path(".amiforge/runs/r/claim"), "the run r", "r"):
        assert run(["gc", "--run", "r", "--delete"]) == 0
    assert "a process on this machine works on the run" in capsys.readouterr().out
    assert account.ec2.inventory() == before


def begun(account: Account) -> Path:
    """Leave a run's things in EC2, and its folder here; its process was killed while it wrote a line."""
    account.leave()
    folder = Path(".amiforge/runs/r")
    Journal(folder / "journal.jsonl", Redaction()).begin(run="r")
    with (folder / "journal.jsonl").open("a") as file:
        file.write('{"at": 1, "ki')
    (folder / "builder.key").write_text("private")
    return folder


def test_a_run_that_is_collected_is_given_up_here_as_well(account: Account) -> None:
    folder = begun(account)
    assert run(["gc", "--run", "r"]) == 0
    assert (folder / "builder.key").exists()
    assert run(["gc", "--run", "r", "--delete"]) == 0
    assert not (folder / "builder.key").exists()
    *_, failed, ended = read(folder / "journal.jsonl")
    assert "amiforge gc" in failed["error"]
    assert (ended["kind"], ended["outcome"]) == ("ended", "failed")


def test_a_run_whose_image_is_good_can_still_be_brought_to_its_end(account: Account) -> None:
    folder = begun(account)
    tags = account.tags("image", "snapshot", **{"amiforge:state": "verified"})
    account.api.create_image(InstanceId=account.launch(), Name="good", TagSpecifications=tags)
    assert run(["gc", "--run", "r", "--delete"]) == 0
    assert [line["kind"] for line in read(folder / "journal.jsonl")] == ["run"]


def test_nobody_takes_up_a_run_while_it_is_collected(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, held = begun(account), []
    monkeypatch.setattr("amiforge.bake.gc.remove", lambda *_: held.append(holder(folder / "claim")))
    monkeypatch.setattr("amiforge.bake.gc._SETTLE", 0)
    run(["gc", "--run", "r", "--delete", "--config", _impatient()])
    assert held
    assert all(held)
    assert not holder(folder / "claim")


def _impatient() -> str:
    file = Path("impatient.toml")
    file.write_text("[bake]\nterminate_deadline = 0.1\n")
    return str(file)


def test_regions_are_looked_through_as_asked(account: Account, capsys: Printed) -> None:
    west = account.open("us-west-2").ec2
    west.create_volume(Size=1, AvailabilityZone="us-west-2a", TagSpecifications=account.tags("volume"))  # type: ignore[arg-type]
    told = []
    for regions in ([], ["--region", "us-west-2"], ["--region", "us-east-1", "--region", "us-west-2"]):
        assert run(["gc", *regions]) == 0
        told.append("us-west-2" in capsys.readouterr().out)
    assert told == [False, True, True]


def test_all_regions_are_those_of_the_account(
    account: Account, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amiforge.ec2.leftovers.regions", lambda _: ("us-east-1", "us-west-2"))
    west = account.open("us-west-2").ec2
    west.create_volume(Size=1, AvailabilityZone="us-west-2a", TagSpecifications=account.tags("volume"))  # type: ignore[arg-type]
    assert run(["gc", "--region", "all", "--delete"]) == 0
    assert "us-west-2" in capsys.readouterr().out
    assert account.ec2.inventory() == []


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("name", ["", "us east 1", "us-east-1a", "nowhere", "ALL"])
def test_a_malformed_region_is_refused_by_the_name_of_its_option(capsys: Printed, name: str) -> None:
    assert run(["gc", "--region", name]) == 2
    assert "--region" in capsys.readouterr().err


@pytest.mark.usefixtures("account")
def test_an_empty_run_is_refused_rather_than_taken_for_every_run(capsys: Printed) -> None:
    assert run(["gc", "--run", ""]) == 2
    assert "--run is empty" in capsys.readouterr().err
