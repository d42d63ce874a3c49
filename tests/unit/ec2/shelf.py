"""An account with images as bakes leave them, as old and as widely used as a test wants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from moto.ec2.models import ec2_backends

from amiforge.ec2.poll import Pace
from amiforge.ec2.session import Clients, open_clients
from amiforge.sandbox.api.account import ACCOUNT_ID
from amiforge.sandbox.faults import CallFault
from tests.deaths.ec2 import REGION, SOURCE, Ec2

WEST = "us-west-2"
POINTER = "/amiforge/eks_gpu/al2023/x86_64/stable"


class Shelf:
    """An EC2 with images. Ages are in days."""

    def __init__(self, ec2: Ec2) -> None:
        self.ec2 = ec2
        self.here, self.west = self.open(REGION), self.open(WEST)
        self.api: Any = self.here.ec2
        self._builder = self.launch(SOURCE.id)

    def open(self, region: str) -> Clients:
        settings = self.ec2.settings.model_copy(update={"region": region})
        return open_clients(settings, Pace(first=0.01, longest=0.05))

    def put(self, age: float, stage: str = "superseded", *, copied: bool = False, **tags: str) -> str:
        """Put an image there, with a copy in another region if wanted, and give its id."""
        own = {
            "run": f"20260101-{age:06.0f}-k3x9",
            "recipe": "eks_gpu",
            "os": "al2023",
            "arch": "x86_64",
            "source": SOURCE.id,
            "fingerprint": "f00d",
            **tags,
            "state": stage,
        }
        name = f"amiforge-{own['recipe']}-{own['os']}-{own['arch']}-{own['run']}"
        image = self.api.create_image(InstanceId=self._builder, Name=name, TagSpecifications=marked(**own))["ImageId"]
        self._settle(self.here, image, age)
        if copied:
            copy = self.west.ec2.copy_image(
                SourceImageId=image,
                SourceRegion=REGION,
                Name=name,
                TagSpecifications=marked(**own, **{"copy-of": image}),
            )["ImageId"]
            self._settle(self.west, copy, age - 0.01)
        return str(image)

    def copy_of(self, image: str) -> str:
        wanted: Any = [{"Name": "tag:amiforge:copy-of", "Values": [image]}]
        return self.west.ec2.describe_images(Owners=["self"], Filters=wanted)["Images"][0]["ImageId"]

    def launch(self, image: str, **more: Any) -> str:
        wanted = {"ImageId": image, "InstanceType": "m6i.large", "MinCount": 1, "MaxCount": 1, **more}
        return str(self.api.run_instances(**wanted)["Instances"][0]["InstanceId"])

    def point(self, image: str, name: str = f"{POINTER}/current") -> None:
        self.here.ssm.put_parameter(Name=name, Value=image, Type="String", Overwrite=True)

    def share(self, image: str, **who: str) -> None:
        permission: Any = {"Add": [who]}
        self.api.modify_image_attribute(ImageId=image, LaunchPermission=permission)

    def refuse(self, operation: str, times: int | None = None) -> None:
        self.ec2.order(CallFault(operation=operation, error="UnauthorizedOperation", times=times))

    def there(self, region: str = REGION) -> list[str]:
        """Give the ids of all images and snapshots of ours."""
        ec2: Any = self.here.ec2 if region == REGION else self.west.ec2
        images = ec2.describe_images(Owners=["self"], IncludeDisabled=True)["Images"]
        snapshots = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
        return sorted([*(each["ImageId"] for each in images), *(each["SnapshotId"] for each in snapshots)])

    def _settle(self, clients: Clients, image: str, age: float) -> None:
        clients.ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig={"Delay": 0})
        made: Any = ec2_backends[ACCOUNT_ID][clients.region].amis[image]
        made.creation_date = datetime.now(UTC) - timedelta(days=age)


def marked(**tags: str) -> Any:
    pairs = [{"Key": f"amiforge:{name}", "Value": value} for name, value in tags.items()]
    return [{"ResourceType": kind, "Tags": pairs} for kind in ("image", "snapshot")]
