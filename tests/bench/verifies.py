"""`amiforge verify` of machines side by side, beside that of one: they share this machine's processors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.process import timed
from tests.bench.table import Row, not_measured, within
from tests.sandbox.cloud import Cloud

_NUMBER = 10
_MOST = 3
_MEASURE = f"verify eks_gpu, {_NUMBER} machines side by side"


def verifies(cloud: Cloud, folder: Path, runs: int) -> Iterator[Row]:
    """Measure one and ten machines of the image that the bakes before have made, in turns."""
    named = [{"Name": "name", "Values": [f"{cloud.key_name}-eks-*"]}]
    images = cloud.client().describe_images(Owners=["self"], Filters=named)["Images"]
    if not images:
        yield not_measured(_MEASURE, f"≤ {_MOST}x one machine's time", "bakes of eks_gpu go before it")
        return
    hosts = _launch(cloud, str(images[0]["ImageId"]))
    place = folder / "verifies"
    place.mkdir(exist_ok=True)
    (place / "ssh_config").touch()
    (place / "amiforge.toml").write_text(
        '[ssh]\nconfig = "ssh_config"\nknown_hosts = "known_hosts"\naccept_new = true\n'
    )
    (place / "known_hosts").unlink(missing_ok=True)  # addresses are used again, by machines with other keys
    one, ten = zip(
        *((_verify(cloud, place, hosts[:1]), _verify(cloud, place, hosts)) for _ in range(runs)), strict=True
    )
    yield within(_MEASURE, median(ten), "one machine", median(one), most=_MOST)


def _launch(cloud: Cloud, image: str) -> list[str]:
    wanted = {"InstanceType": "m6i.large", "KeyName": cloud.key_name, "MinCount": _NUMBER, "MaxCount": _NUMBER}
    instances = [str(one["InstanceId"]) for one in cloud.client().run_instances(ImageId=image, **wanted)["Instances"]]
    for instance in instances:
        cloud.reach(instance, "running", seconds=300)
        cloud.ssh(instance, "cloud-init status --wait", 300)
    return [f"ec2-user@{cloud.instance(instance)['PublicIpAddress']}" for instance in instances]


def _verify(cloud: Cloud, place: Path, hosts: list[str]) -> float:
    words = [str(Path(sys.executable).parent / "amiforge"), "verify", "eks_gpu", "--key", str(cloud.key.absolute())]
    flags = [word for host in hosts for word in ("--host", host)]
    return timed([*words, *flags], environment=dict(os.environ), folder=place).seconds
