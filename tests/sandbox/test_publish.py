"""The guide to publishing, carried out in the sandbox; and a copy that fails in one of three regions."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest

from amiforge.cli.app import run
from tests.sandbox.cloud import Cloud

pytestmark = pytest.mark.sandbox

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "publish.md"
#: As the guide calls them.
FIRST, SECOND = "ami-0123456789abcdef0", "ami-0fedcba9876543210"
PARTNER = "111122223333"
REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
STABLE, PROD = (f"/amiforge/base/al2023/x86_64/{channel}" for channel in ("stable", "prod"))
KIND = {"recipe": "base", "os": "al2023", "arch": "x86_64", "state": "verified", "run": "published", "role": "image"}


class Shop:
    """An account with two verified images in one region, and commands as the guide has them."""

    def __init__(self, cloud: Cloud, images: dict[str, str]) -> None:
        self._cloud = cloud
        self.images = images

    def run(self, line: str) -> int:
        """Run a command of the guide on the images that there are."""
        words = shlex.split(line)[1:]
        return run([self.images.get(word, word) for word in words])

    def client(self, region: str, service: str = "ec2") -> Any:
        made_up = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        where = {"endpoint_url": self._cloud.endpoint.url, "region_name": region}
        return boto3.client(service, **where, **made_up)  # type: ignore[call-overload]

    def fail(self, region: str, times: int) -> None:
        fault = json.dumps({"kind": "failed-copy", "region": region, "times": times}).encode()
        with urlopen(Request(f"{self._cloud.endpoint.url}/amiforge/faults", fault)) as answer:  # noqa: S310
            assert answer.status < 300

    def names(self, path: str) -> dict[str, str]:
        """Give what the pointer of every region names, as the image that it is a copy of."""
        found: dict[str, str] = {}
        for region in REGIONS:
            named = self.client(region, "ssm").get_parameters(Names=[path])["Parameters"]
            found |= {region: self._origin(region, named[0]["Value"])} if named else {}
        return found

    def _origin(self, region: str, image: str) -> str:
        (found,) = self.client(region).describe_images(ImageIds=[image])["Images"]
        assert found["State"] == "available"
        tags = {tag["Key"]: tag["Value"] for tag in found["Tags"]}
        origin = tags.get("amiforge:copy-of", image)
        return next(name for name, image in self.images.items() if image == origin)

    def shared(self) -> list[list[str]]:
        """Give who may launch each image of each region."""
        found = []
        for ec2 in map(self.client, REGIONS):
            for image in ec2.describe_images(Owners=["self"], Filters=[named("base")])["Images"]:
                about = ec2.describe_image_attribute(ImageId=image["ImageId"], Attribute="launchPermission")
                found.append([each["UserId"] for each in about["LaunchPermissions"]])
        return found

    def clear(self) -> None:
        """Remove the copies and the pointers; the test's other images go with it."""
        for region in REGIONS:
            ec2, ssm = self.client(region), self.client(region, "ssm")
            for image in ec2.describe_images(Owners=["self"], Filters=[named("base")])["Images"]:
                ec2.deregister_image(ImageId=image["ImageId"], DeleteAssociatedSnapshots=True)
            names = [f"{path}/{name}" for path in (STABLE, PROD) for name in ("current", "previous")]
            ssm.delete_parameters(Names=names)


def named(recipe: str) -> dict[str, Any]:
    return {"Name": "tag:amiforge:recipe", "Values": [recipe]}


@pytest.fixture
def shop(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint.url)
    monkeypatch.setenv("AWS_REGION", cloud.endpoint.region)
    # A protection with cooldown would outlive the test for a day.
    settings = "\n".join(re.findall(r"```toml\n(\[publish\]\n.*?)```", GUIDE.read_text(), re.DOTALL))
    (tmp_path / "amiforge.toml").write_text(settings.replace("protect = true", "protect = false"))
    tags = [{"Key": f"amiforge:{key}", "Value": value} for key, value in KIND.items()]
    specification = [{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")]
    instance = cloud.running(cloud.source())
    made = {
        name: cloud.image(instance, f"base-{name}", NoReboot=True, TagSpecifications=specification)
        for name in (FIRST, SECOND)
    }
    shop = Shop(cloud, made)
    yield shop
    shop.clear()


def test_the_guide_publishes_two_images_rolls_back_and_promotes(shop: Shop) -> None:
    lines = re.findall(r"^\$ (amiforge .*)$", GUIDE.read_text(), re.MULTILINE)
    assert [(line, status) for line in lines if (status := shop.run(line))] == []
    assert shop.names(f"{STABLE}/current") == dict.fromkeys(REGIONS, FIRST)
    assert shop.names(f"{STABLE}/previous") == dict.fromkeys(REGIONS, SECOND)
    assert shop.names(f"{PROD}/current") == dict.fromkeys(REGIONS, FIRST)
    assert shop.shared() == [[PARTNER]] * 6


def test_a_copy_that_fails_in_one_of_three_regions_publishes_nowhere_until_it_is_said_again(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.fail("us-west-2", times=2)
    assert shop.run(f"amiforge publish {FIRST}") == 4
    assert "failed in us-west-2" in capsys.readouterr().err
    assert shop.names(f"{STABLE}/current") == {}
    assert not any(shop.shared())
    assert shop.run(f"amiforge publish {FIRST}") == 0
    assert shop.names(f"{STABLE}/current") == dict.fromkeys(REGIONS, FIRST)
    assert sorted(shop.shared()) == [[], [PARTNER], [PARTNER], [PARTNER]], "the second image is nobody else's"
