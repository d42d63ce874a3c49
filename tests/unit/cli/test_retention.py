from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amiforge.cli.app import run
from tests.deaths.ec2 import Ec2
from tests.unit.ec2.shelf import POINTER, Shelf

pytestmark = pytest.mark.sockets
Printed = pytest.CaptureFixture[str]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.chdir(tmp_path)
    with Ec2(tmp_path) as ec2:
        monkeypatch.setenv("AWS_ENDPOINT_URL", ec2.url)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        settings = '[publish]\nregions = ["us-west-2"]\npointer = "/amiforge/{recipe}/{os}/{arch}/{channel}"\n'
        Path("amiforge.toml").write_text(settings)
        yield Shelf(ec2)


def rows(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def test_images_are_listed_newest_first_where_the_settings_publish(shelf: Shelf, capsys: Printed) -> None:
    image = shelf.put(90, copied=True)
    shelf.share(image, UserId="111122223333")
    shelf.put(3, "published", recipe="base", arch="arm64")
    assert run(["images"]) == 0
    _, _, newest, oldest = capsys.readouterr().out.splitlines()
    assert newest.split() == [
        *("amiforge-base-al2023-arm64-20260101-000003-k3x9", "base", "al2023", "arm64", "published"),
        *("3", "d", "us-east-1", "-", "never"),
    ]
    assert oldest.split()[4:] == [*("superseded", "90", "d", "us-east-1,", "us-west-2", "111122223333", "never")]
    for options, wanted in (
        (["base"], ["base"]),
        (["--state", "superseded"], ["eks_gpu"]),
        (["--arch", "arm64", "--os", "all"], ["base"]),
        (["--region", "us-west-2"], ["eks_gpu"]),
    ):
        assert run(["images", *options, "--json"]) == 0
        assert [row["recipe"] for row in rows(capsys.readouterr().out)] == wanted
    assert run(["images", "pcluster_cpu"]) == 0
    assert capsys.readouterr().out == "no images\n"


def test_everything_about_an_image_is_told_if_wanted(shelf: Shelf, capsys: Printed) -> None:
    image = shelf.put(90, copied=True)
    shelf.point(image)
    instance = shelf.launch(image)
    assert run(["images", "--long"]) == 0
    out = capsys.readouterr().out
    for word in (image, shelf.copy_of(image), instance, f"{POINTER}/current", "of ami-0source", "f00d"):
        assert word in out


def test_doubts_and_unreadable_regions_are_said(shelf: Shelf, capsys: Printed) -> None:
    shelf.put(3)
    shelf.refuse("DescribeImageReferences")
    assert run(["images"]) == 0
    assert "us-east-1: references cannot be looked through" in capsys.readouterr().err
    shelf.refuse("DescribeImages")
    assert run(["images"]) == 4
    assert "us-west-2: DescribeImages" in capsys.readouterr().err


def test_prune_only_tells_unless_told_to_delete(shelf: Shelf, capsys: Printed) -> None:
    current = shelf.put(1, "published")
    shelf.point(current)
    old = shelf.put(50, copied=True)
    before = shelf.there()
    assert run(["prune", "--keep", "1"]) == 0
    out = capsys.readouterr().out
    assert f"keep: {POINTER}/current names it in us-east-1, the newest" in out
    assert "remove: superseded, not among the newest 1, never launched" in out
    assert "\n1 to remove, 1 to keep; --delete does it\n" in out
    assert shelf.there() == before
    assert run(["prune", "--keep", "1", "--delete"]) == 0
    assert "\nremoved   amiforge-eks_gpu-al2023-x86_64-20260101-000050-k3x9 in us-east-1, us-west-2\n" in (
        capsys.readouterr().out
    )
    assert old not in shelf.there()
    assert len(shelf.there()) == 2
    assert not shelf.there("us-west-2")


def test_how_much_is_kept_comes_from_the_settings_too(shelf: Shelf, capsys: Printed) -> None:
    for age in (1, 40, 90):
        shelf.put(age)

    def actions(*options: str) -> list[str]:
        assert run(["prune", "--json", *options]) == 0
        return [row["action"] for row in rows(capsys.readouterr().out)]

    assert actions() == ["keep"] * 3
    with Path("amiforge.toml").open("a") as file:
        file.write("[retention]\nkeep = 2\ngrace_days = 3\n")
    assert actions() == ["keep", "keep", "disable"]
    assert actions("--keep", "0", "--grace", "0", "--unused-days", "30") == ["keep", "remove", "remove"]
    assert actions("base") == []


def test_programs_get_one_object_a_decision_and_one_a_removal(shelf: Shelf, capsys: Printed) -> None:
    shelf.put(1)
    old = shelf.put(50)
    assert run(["prune", "--keep", "1", "--delete", "--json"]) == 0
    first, second, gone = rows(capsys.readouterr().out)
    assert (first["event"], first["action"], second["id"], second["action"]) == ("Retention", "keep", old, "remove")
    done = [{"region": "us-east-1", "id": old}]
    assert (gone["event"], gone["done"], gone["refused"]) == ("Pruned", done, [])


def test_what_could_not_be_removed_is_named_and_ends_it_with_status_4(shelf: Shelf, capsys: Printed) -> None:
    shelf.put(1)
    old, older = shelf.put(50), shelf.put(90)
    shelf.refuse("DeregisterImage", times=1)
    assert run(["prune", "--keep", "1", "--delete"]) == 4
    printed = capsys.readouterr()
    assert f"us-east-1 {older}: DeregisterImage" in printed.err
    assert "removed   amiforge-eks_gpu-al2023-x86_64-20260101-000050-k3x9 in us-east-1" in printed.out
    assert old not in shelf.there()


def test_nothing_goes_when_a_region_cannot_be_looked_through(shelf: Shelf, capsys: Printed) -> None:
    shelf.put(1)
    shelf.put(50)
    before = shelf.there()
    shelf.refuse("DescribeImages", times=1)
    assert run(["prune", "--keep", "0", "--delete"]) == 4
    assert "not every region could be looked through" in capsys.readouterr().err
    assert shelf.there() == before
