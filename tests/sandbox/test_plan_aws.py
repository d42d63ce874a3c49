"""What is asked before a bake, put to the EC2 on this machine by the command itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from amiforge.cli.app import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox.cloud import Cloud

pytestmark = pytest.mark.sandbox


@pytest.fixture
def at(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the arguments that lead a command to the sandbox as if it were AWS."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint.url)
    return ["plan", "base", "--aws", "--region", cloud.endpoint.region]


@pytest.fixture
def image(cloud: Cloud) -> Iterator[str]:
    """Give the name of an image that is there."""
    instance = cloud.running(cloud.source())
    name = "taken-name"
    image_id = cloud.image(instance, name)
    yield name
    cloud.client().deregister_image(ImageId=image_id)


def found(text: str) -> list[dict[str, Any]]:
    return [event for line in text.splitlines() if (event := json.loads(line))["event"] == "Found"]


def test_where_a_bake_can_start_the_command_says_so(at: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(at) == 0
    said = capsys.readouterr().out
    assert said.endswith("0 problems, 0 warnings: a bake can start\n")
    assert "ec2:RunInstances: may launch " in said


def test_three_problems_of_different_kinds_are_told_at_once_with_the_place_and_the_fix(
    at: list[str], image: str, cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "amiforge.toml").write_text(f'[bake]\nimage_name = "{image}"\n')
    before = cloud.client().describe_instances()["Reservations"]
    changes = ["--set", 'builder.instance_types=["m7g.large"]', "--set", 'builder.subnets=["subnet-00000000"]']
    assert run([*at, *changes]) == 4
    said = capsys.readouterr().out
    assert (
        "✗ instance types: m7g.large is arm64, and the image is x86_64\n    set in  --set builder.instance_types"
        in said
    )
    assert "✗ subnets: us-east-1 has no subnet subnet-00000000\n    set in  --set builder.subnets" in said
    assert f"✗ image name: there is an image named '{image}' already" in said
    assert said.count("    fix     ") >= 3
    assert "3 problems, " in said
    assert cloud.client().describe_instances()["Reservations"] == before

    assert run([*at, *changes, "--json"]) == 4
    events = found(capsys.readouterr().out)
    assert {each["title"] for each in events if each["level"] == "problem"} == {
        "instance types",
        "subnets",
        "image name",
    }
