"""An account with verified images in the sandbox's EC2, whose machines only pretend, and what publishes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import Any

from amiforge.bake.hooks import Notice
from amiforge.bake.publishing import Market, move, open_market, plan_promotion, plan_publication, plan_rollback, publish
from amiforge.ec2.poll import Pace
from amiforge.ec2.publication.change import Done
from amiforge.ec2.publication.regional_image import RegionalImage, find_here
from amiforge.ec2.session import Clients, open_session
from amiforge.ec2.tags import ARCH, FINGERPRINT, OS, RECIPE, ROLE, RUN, STATE
from amiforge.engine.events import silent
from amiforge.settings import AwsSettings, PublishSettings
from tests.unit.sandbox.api.fakes import Cloud

HOME, WEST = REGIONS = ("us-east-1", "us-west-2")
EU = "eu-west-1"
PARTNER = "111122223333"
KIND = {RECIPE: "eks_gpu", OS: "al2023", ARCH: "x86_64"}
TEMPLATE = "/images/{recipe}/{os}/{arch}/{channel}"
PATH = "/images/eks_gpu/al2023/x86_64/stable"
SETTINGS = PublishSettings(regions=(WEST,), accounts=(PARTNER,), pointer=TEMPLATE, deprecate_days=365, protect=True)


@dataclass
class Shop:
    cloud: Cloud
    done: list[Done] = field(default_factory=list)
    heard: list[Notice] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: count(1))

    def bake(self, state: str = "verified", **options: Any) -> str:
        """Give an image as a bake leaves it."""
        number = next(self._numbers)
        tags = {**KIND, RUN: f"run-{number}", ROLE: "image", FINGERPRINT: f"f{number}", STATE: state}
        pairs = [{"Key": key, "Value": value} for key, value in tags.items() if value]
        specification = [{"ResourceType": kind, "Tags": pairs} for kind in ("image", "snapshot")]
        about = {"Description": f"image {number}", "TagSpecifications": specification}
        return self.cloud.baked(f"image-{number}", **about, **options)[1]

    @cached_property
    def clients(self) -> Mapping[str, Clients]:
        """Clients of all regions that look often."""
        everywhere = SETTINGS.model_copy(update={"regions": (WEST, EU)})
        opened = open_market(AwsSettings(region=HOME, endpoint_url=self.cloud.url), everywhere, silent)
        return {name: replace(each, pace=Pace(first=0.02, longest=0.1)) for name, each in opened.regions.items()}

    def market(self, settings: PublishSettings = SETTINGS) -> Market:
        regions = {name: self.clients[name] for name in (HOME, *settings.regions)}
        aws = AwsSettings(endpoint_url=self.cloud.url)
        return Market(aws, settings, self.clients[HOME], regions, [self.heard.append])

    def kms(self, region: str) -> Any:
        aws = AwsSettings(region=region, endpoint_url=self.cloud.url)
        return open_session(aws).client("kms", endpoint_url=self.cloud.url)

    def fail(self, region: str, times: int = 1) -> None:
        """Let copies to a region fail."""
        self.cloud.order(kind="failed-copy", region=region, times=times, reason="Given key ID is not accessible")

    def refuse(self, operation: str, region: str, **how: Any) -> None:
        """Refuse calls of an operation in a region."""
        self.cloud.order(kind="call", operation=operation, region=region, **{"error": "UnauthorizedOperation", **how})

    def publish(self, ami: str, settings: PublishSettings = SETTINGS, **how: Any) -> list[str]:
        """Publish, and give what was done, each thing once."""
        market, done = self.market(settings), []  # type: tuple[Market, list[Done]]
        publish(market, plan_publication(market, ami, **how), silent, done.append)
        return list(dict.fromkeys(each.what for each in done))

    def promote(self, ami: str, channel: str) -> None:
        market = self.market(SETTINGS.model_copy(update={"channel": channel}))
        move(market, plan_promotion(market, ami), silent, self.done.append)

    def rollback(self, channel: str = "stable") -> None:
        market = self.market(SETTINGS.model_copy(update={"channel": channel}))
        move(market, plan_rollback(market, KIND), silent, self.done.append)

    def client(self, region: str) -> Any:
        return self.clients[region].ec2

    def parameters(self, regions: Sequence[str] = REGIONS) -> dict[str, str]:
        """Give what `current` names in every region."""
        return {region: self.parameter(region) for region in regions}

    def parameter(self, region: str, name: str = f"{PATH}/current") -> str:
        found = self.clients[region].ssm.get_parameters(Names=[name])["Parameters"]
        return str(found[0]["Value"]) if found else ""

    def here(self, region: str, ami: str) -> RegionalImage:
        found = find_here(self.clients[region], ami)
        assert found
        return found

    def pointers(self, path: str = PATH, regions: Sequence[str] = REGIONS) -> dict[str, tuple[str, str]]:
        """Give what `current` and `previous` name in every region, as the images that they are copies of."""
        return {
            region: (self._origin(region, f"{path}/current"), self._origin(region, f"{path}/previous"))
            for region in regions
        }

    def _origin(self, region: str, name: str) -> str:
        named = self.parameter(region, name)
        return self.here(region, named).origin if named else ""

    def images(self, region: str) -> list[str]:
        """Give the state of every image of a region."""
        return [each["State"] for each in self.client(region).describe_images(Owners=["self"])["Images"]]

    def snapshot_tags(self, region: str, image: RegionalImage) -> dict[str, str]:
        (found,) = self.client(region).describe_snapshots(SnapshotIds=[*image.snapshots])["Snapshots"]
        return {tag["Key"]: tag["Value"] for tag in found["Tags"]}

    def snapshots(self, region: str) -> int:
        return len(self.client(region).describe_snapshots(OwnerIds=["self"])["Snapshots"])

    def users(self, region: str, ami: str) -> list[list[str]]:
        """Give the accounts that may launch an image there, and those that may use each of its snapshots."""
        image, found = self.here(region, ami), permissions_of(self.client(region))
        launch = found("image", ImageId=image.id, Attribute="launchPermission")["LaunchPermissions"]
        volumes = [
            found("snapshot", SnapshotId=snapshot, Attribute="createVolumePermission")["CreateVolumePermissions"]
            for snapshot in image.snapshots
        ]
        return [[each["UserId"] for each in permissions] for permissions in (launch, *volumes)]


def permissions_of(ec2: Any) -> Any:
    return lambda what, **of: getattr(ec2, f"describe_{what}_attribute")(**of)
