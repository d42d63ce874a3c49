"""Images of machines that boot, pruned: what nobody uses goes everywhere, and what was made of it still boots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amiforge.cli.app import run
from tests.sandbox.cloud import Cloud, until

pytestmark = pytest.mark.sandbox

WEST = "us-west-2"


def marked(run_id: str, **more: str) -> dict[str, Any]:
    own = {"run": run_id, "state": "superseded", "recipe": "pruned", "os": "al2023", "arch": "x86_64", **more}
    tags = [{"Key": f"amiforge:{name}", "Value": value} for name, value in own.items()]
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")]}


def test_an_image_in_use_stays_and_when_it_goes_what_was_made_of_it_still_boots(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint.url)
    (tmp_path / "amiforge.toml").write_text(
        f'[aws]\nregion = "{cloud.endpoint.region}"\n[publish]\nregions = ["{WEST}"]'
    )

    def told(*words: str) -> list[dict[str, Any]]:
        assert run([*words, "pruned", "--json"]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    ec2, west = cloud.client(), cloud.elsewhere(WEST).client()
    builder = cloud.running(cloud.source())
    old = cloud.image(builder, f"{cloud.key_name}-old", **marked("r1"))
    ec2.terminate_instances(InstanceIds=[builder])
    copy = west.copy_image(
        SourceImageId=old, SourceRegion=cloud.endpoint.region, Name="copy", **marked("r1", **{"copy-of": old})
    )["ImageId"]
    until(lambda: west.describe_images(ImageIds=[copy])["Images"][0]["State"] == "available")
    user = cloud.running(old)
    cloud.ssh(user, "echo new | sudo tee /etc/of-the-new >/dev/null; sync")
    new = cloud.image(user, f"{cloud.key_name}-new", **marked("r2"))

    kept = told("prune", "--keep", "1", "--delete")
    assert [(row["id"], row["action"]) for row in kept] == [(new, "keep"), (old, "keep")]
    assert kept[1]["why"] == [f"in use in {cloud.endpoint.region}: {user}"]

    ec2.terminate_instances(InstanceIds=[user])
    cloud.reach(user, "terminated")
    gone = told("prune", "--keep", "1", "--delete")[-1]
    assert [each["id"] for each in gone["done"]] == [copy, old]
    assert [row["id"] for row in told("images")] == [new]
    assert cloud.ssh(cloud.running(new), "cat /etc/of-the-new") == "new"
